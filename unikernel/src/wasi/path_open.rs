//! Opening by path: `path_open`, and the resolution that all path functions share.

use super::context::Context;
use super::descriptor_table::{Descriptor, DescriptorKind};
use super::errno::Errno;
use super::guest_memory::{GuestPtr, GuestSlice};
use super::types::{Fd, LOOKUP_SYMLINK_FOLLOW, check_flags, fdflags, oflags};
use super::{fd_io, preopens, rights};
use crate::fs::path::{self, FinalSymlink, Resolved};
use crate::fs::{NewNode, Node, NodeId, NodeKind};
use crate::platform::Platform;

/// Resolves the path at `path` below the directory `fd` and returns it with the number of its file system.
///
/// # Errors
/// What [`path::resolve`] reports; `Errno::Badf` unless `fd` is a directory.
pub(super) fn resolve(
    context: &mut Context,
    fd: Fd,
    path: GuestSlice<u8>,
    final_symlink: FinalSymlink,
) -> Result<(u32, Resolved), Errno> {
    preopens::open_all(context)?;
    let mount = context.descriptors.directory(fd)?.mount;
    context.mounts.get(mount).forget_unopened();
    resolve_second(context, fd, path, final_symlink)
}

/// As [`resolve`], for the second path of a call.
///
/// # Errors
/// As `resolve`.
pub(super) fn resolve_second(
    context: &mut Context,
    fd: Fd,
    path: GuestSlice<u8>,
    final_symlink: FinalSymlink,
) -> Result<(u32, Resolved), Errno> {
    let directory = context.descriptors.directory(fd)?;
    let system = context.mounts.get(directory.mount);
    let resolved = path::resolve(system, directory.id, context.memory.bytes(path), final_symlink)?;
    Ok((directory.mount, resolved))
}

/// Decodes `lookupflags`.
///
/// # Errors
/// `Errno::Inval` for unknown flags.
pub(super) fn final_symlink(lookupflags: u32) -> Result<FinalSymlink, Errno> {
    check_flags(lookupflags, LOOKUP_SYMLINK_FOLLOW)?;
    Ok(if lookupflags & LOOKUP_SYMLINK_FOLLOW != 0 {
        FinalSymlink::Follow
    } else {
        FinalSymlink::Keep
    })
}

/// How a file is to be opened.
struct OpenRequest {
    oflags: u32,
    can_read: bool,
    can_write: bool,
    fdflags: u32,
}

impl OpenRequest {
    fn has(&self, flag: u32) -> bool {
        self.oflags & flag != 0
    }
}

/// Opens the file at `path` and writes its descriptor.
///
/// # Errors
/// Those of `open` on Linux; `Errno::Perm` if the path leaves the directory.
#[allow(clippy::too_many_arguments, reason = "the specification's parameters")]
pub fn path_open(
    context: &mut Context,
    fd: u32,
    dirflags: u32,
    path: u32,
    path_len: u32,
    oflags: u32,
    rights_base: u64,
    _rights_inheriting: u64,
    fdflags: u32,
    opened_fd: u32,
) -> Result<(), Errno> {
    let path = context.memory.slice::<u8>(path, path_len)?;
    let opened_fd: GuestPtr<u32> = context.memory.pointer(opened_fd)?;
    let mut symlink = final_symlink(dirflags)?;
    check_flags(oflags, oflags::ALL)?;
    check_flags(fdflags, fdflags::ALL)?;
    let wants_write = rights_base & rights::FD_WRITE != 0;
    let request = OpenRequest {
        oflags,
        can_read: rights_base & rights::FD_READ != 0 || !wants_write,
        can_write: wants_write || oflags & (oflags::CREAT | oflags::TRUNC) != 0,
        fdflags,
    };
    preopens::open_all(context)?;
    if let DescriptorKind::File { .. } = context.descriptors.get(fd)?.kind {
        return Err(Errno::Notdir);
    }
    if request.has(oflags::DIRECTORY) && request.has(oflags::CREAT | oflags::EXCL | oflags::TRUNC) {
        return Err(Errno::Inval);
    }
    if request.has(oflags::CREAT) && request.has(oflags::EXCL) {
        symlink = FinalSymlink::Keep;
    }
    context.descriptors.reserve()?;
    let (mount, resolved) = resolve(context, fd, path, symlink)?;
    let descriptor = open_resolved(context, mount, &resolved, &request)?;
    let new_fd = context.descriptors.insert(descriptor)?;
    context.memory.write(opened_fd, new_fd);
    Ok(())
}

fn open_resolved(
    context: &mut Context,
    mount: u32,
    resolved: &Resolved,
    request: &OpenRequest,
) -> Result<Descriptor, Errno> {
    let Some(found) = resolved.found else {
        let id = create_file(context, mount, resolved, request)?;
        return open_node(context, Node { mount, id }, request, false);
    };
    if request.has(oflags::CREAT) && request.has(oflags::EXCL) {
        return Err(Errno::Exist);
    }
    let must_be_directory = resolved.trailing_slash || request.has(oflags::DIRECTORY);
    let node = Node { mount, id: found.id };
    match found.kind {
        NodeKind::Directory if request.can_write => Err(Errno::Isdir),
        NodeKind::Directory => open_node(context, node, request, true),
        NodeKind::Symlink if request.has(oflags::DIRECTORY) => Err(Errno::Notdir),
        NodeKind::Symlink => Err(Errno::Loop),
        _ if must_be_directory => Err(Errno::Notdir),
        NodeKind::Device(device) => Ok(Descriptor {
            kind: DescriptorKind::Device(device),
            can_read: request.can_read,
            can_write: request.can_write,
            flags: request.fdflags,
        }),
        NodeKind::File => {
            if request.has(oflags::TRUNC) {
                let now_ns = context.platform.wall_clock_ns();
                context.mounts.get(mount).set_length(node.id, 0, now_ns)?;
            }
            open_node(context, node, request, false)
        }
    }
}

fn create_file(context: &mut Context, mount: u32, resolved: &Resolved, request: &OpenRequest) -> Result<NodeId, Errno> {
    let name = resolved.name.as_deref().ok_or(Errno::Isdir)?;
    if !request.has(oflags::CREAT) {
        return Err(Errno::Noent);
    }
    if resolved.trailing_slash {
        return Err(Errno::Isdir);
    }
    let now_ns = context.platform.wall_clock_ns();
    Ok(context
        .mounts
        .get(mount)
        .create(resolved.directory, name, NewNode::File, now_ns)?)
}

fn open_node(
    context: &mut Context,
    node: Node,
    request: &OpenRequest,
    is_directory: bool,
) -> Result<Descriptor, Errno> {
    let kind = if is_directory {
        DescriptorKind::Directory { node, preopen: None }
    } else {
        context.files = Some(fd_io::FILE_TRANSFER);
        DescriptorKind::File { node, offset: 0 }
    };
    let descriptor = Descriptor {
        kind,
        can_read: request.can_read,
        can_write: request.can_write,
        flags: request.fdflags,
    };
    context.mounts.get(node.mount).open(node.id, descriptor.access())?;
    Ok(descriptor)
}
