//! Instances: modules that have been compiled, linked into this process and initialised, and calls of what they export.
//!
//! A [`Store`] holds instances that may share functions, tables, memories, globals and tags. Every module is compiled for its
//! place: compiled code has the addresses of its memories in it. An import is the address of what another instance defines,
//! or a function of the process.
//!
//! Read first: [`Store::instantiate`], [`Extern`], [`Store::call`]. Limits: a store belongs to one thread.

mod contents;

use crate::arena::{Arena, LoadedImage};
use crate::code_map::LoadedCode;
use crate::error::{Error, Trap};
use crate::interface::{Import, Interface, InterfaceReader, is_compatible};
use crate::linear_memory::{LinearMemory, Window};
use crate::runtime::{self, Runtime};
use crate::trap::{Outcome, WasmStack, run};
use abi::instance::{ActiveSegment, MemoryInstance, ModuleDescriptor, TableInstance};
use abi::symbols;
use linker::{InMemoryOptions, Input, MemoryImage, MemorySegment, Permissions};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use wasm2obj::{BoundsChecks, CompileOptions, Cpu, TypeRegistry};
use wasmparser::types::EntityType;
use wasmparser::{FuncType, ValType};

/// How a store compiles and runs modules.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// How accesses to linear memory are checked. Default: by the MMU.
    pub bounds_checks: BoundsChecks,
    /// CPU that the code may rely on. Default: the compiler's.
    pub cpu: Cpu,
    /// Size of the Wasm stack in bytes. Default: 1 MiB.
    pub stack_size_bytes: u64,
}

impl Default for StoreOptions {
    fn default() -> StoreOptions {
        StoreOptions {
            bounds_checks: BoundsChecks::default(),
            cpu: Cpu::default(),
            stack_size_bytes: 1 << 20,
        }
    }
}

/// An instance of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InstanceId(usize);

/// What an import may be satisfied with.
#[derive(Clone, Copy, Debug)]
pub enum Extern {
    /// What an instance exports.
    Item(Item),
    /// The address of a function of the process, of the C convention and the type that the importing module declares (which
    /// the compiler checks for WASI).
    HostFunction(u64),
}

/// Finds what an import is satisfied with.
pub type Imports<'a> = dyn Fn(&Store, &Import) -> Option<Extern> + 'a;

/// Something that an instance of the store defines.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// Kind and type.
    pub entity: EntityType,
    owner: InstanceId,
    /// Address of the code, or of the instance or cell.
    address: u64,
}

#[derive(Debug)]
struct Instance {
    interface: Interface,
    image: LoadedImage,
    text_start: u64,
    command_start: u64,
    reactor_initialize: u64,
    /// `MemoryInstance`s that the module defines.
    own_memories: Vec<u64>,
    /// `MemoryInstance` of memory 0.
    first_memory: Option<u64>,
    items: HashMap<String, Item>,
    trampolines: HashMap<String, u64>,
    /// Whether another instance may hold something of this one.
    is_shared: bool,
}

/// Instances, and what they share.
#[derive(Debug)]
pub struct Store {
    options: StoreOptions,
    type_registry: Arc<TypeRegistry>,
    interfaces: InterfaceReader,
    arena: Arena,
    stack: WasmStack,
    runtime: Box<Runtime>,
    instances: Vec<Option<Instance>>,
}

impl Store {
    /// Makes an empty store.
    ///
    /// # Errors
    /// The kernel's, where there are not enough addresses.
    pub fn new(options: StoreOptions) -> Result<Store, Error> {
        let mut arena = Arena::new()?;
        arena.add_thunks(runtime::functions().map(|(_, address)| address))?;
        Ok(Store {
            stack: WasmStack::new(options.stack_size_bytes)?,
            options,
            type_registry: Arc::new(TypeRegistry::new()),
            interfaces: InterfaceReader::default(),
            arena,
            runtime: Box::default(),
            instances: Vec::new(),
        })
    }

    /// Compiles a module, links it into the process and initialises it, start function included.
    ///
    /// # Errors
    /// See [`Error`]. Where initialisation traps, what it did to imported tables and memories stays.
    pub fn instantiate(&mut self, wasm: &[u8], imports: &Imports<'_>) -> Result<InstanceId, Error> {
        let interface = self.interfaces.read(wasm)?;
        let externs = self.resolve_imports(&interface, imports)?;
        let windows = interface
            .memories
            .iter()
            .map(|memory| Window::reserve(memory.memory64))
            .collect::<Result<Vec<_>, _>>()?;
        let object = wasm2obj::compile(wasm, &self.compile_options(&externs, &windows))?;
        let image = self.link(&object.bytes, &interface, &externs)?;
        let id = InstanceId(self.instances.len());
        let (instance, descriptor) = self.load(id, interface, &externs, &image)?;
        self.make_memories(windows, &instance)?;
        self.instances.push(Some(instance));
        self.share_imports(id, &externs);
        self.copy_active_segments(&descriptor);
        if descriptor.initialize != 0 {
            self.run(descriptor.initialize, &mut [])?;
        }
        Ok(id)
    }

    fn resolve_imports(&self, interface: &Interface, imports: &Imports<'_>) -> Result<Vec<Extern>, Error> {
        let resolve = |import: &Import| {
            let (module, name) = (import.module.clone(), import.name.clone());
            match imports(self, import) {
                None => Err(Error::UnknownImport { module, name }),
                Some(Extern::HostFunction(address)) => match import.entity {
                    EntityType::Func(_) => Ok(Extern::HostFunction(address)),
                    _ => Err(Error::IncompatibleImport { module, name }),
                },
                Some(Extern::Item(item)) => {
                    if is_compatible(interface.types(), &self.current_type(&item), &import.entity) {
                        Ok(Extern::Item(item))
                    } else {
                        Err(Error::IncompatibleImport { module, name })
                    }
                }
            }
        };
        interface.imports.iter().map(resolve).collect()
    }

    /// Returns the type of an item, with the current length for the minimum of a memory or table.
    fn current_type(&self, item: &Item) -> EntityType {
        let mut entity = item.entity;
        // SAFETY: the address is of an instance of that kind in a module that is loaded, for its owner is (`item`).
        unsafe {
            match &mut entity {
                EntityType::Memory(memory_type) => {
                    let memory = &*(item.address as *const MemoryInstance);
                    memory_type.initial = memory.length_bytes >> memory.page_size_log2;
                }
                EntityType::Table(table_type) => {
                    table_type.initial = (*(item.address as *const TableInstance)).length;
                }
                _ => {}
            }
        }
        entity
    }

    fn compile_options(&self, externs: &[Extern], windows: &[Window]) -> CompileOptions {
        let imported = externs.iter().filter_map(|import| match import {
            Extern::Item(Item {
                entity: EntityType::Memory(_),
                address,
                ..
            }) => {
                // SAFETY: the address is of a `MemoryInstance` in a module that is loaded.
                Some(unsafe { (*(*address as *const MemoryInstance)).base })
            }
            _ => None,
        });
        CompileOptions {
            cpu: self.options.cpu.clone(),
            bounds_checks: self.options.bounds_checks,
            memory_bases: imported.chain(windows.iter().map(Window::base)).collect(),
            type_registry: self.type_registry.clone(),
            call_trampolines: true,
            ..CompileOptions::default()
        }
    }

    fn link(&mut self, object: &[u8], interface: &Interface, externs: &[Extern]) -> Result<MemoryImage, Error> {
        let host_functions = externs.iter().filter_map(|import| match import {
            Extern::HostFunction(address) => Some(*address),
            Extern::Item(_) => None,
        });
        self.arena.add_thunks(host_functions)?;
        let mut externals: HashMap<String, u64> = HashMap::new();
        for (symbol, address) in runtime::functions() {
            externals.extend(self.arena.thunk(address).map(|thunk| (symbol.to_owned(), thunk)));
        }
        for (import, given) in interface.imports.iter().zip(externs) {
            let address = match given {
                Extern::Item(item) => Some(item.address),
                Extern::HostFunction(function) => self.arena.thunk(*function),
            };
            externals.extend(address.map(|address| (import.symbol.clone(), address)));
        }
        let mut roots = vec![symbols::MODULE.to_owned()];
        roots.extend(
            interface
                .exports
                .iter()
                .filter(|export| matches!(export.entity, EntityType::Func(_) | EntityType::FuncExact(_)))
                .map(|export| symbols::trampoline(&export.name)),
        );
        let options = InMemoryOptions {
            base: self.arena.next_address(),
            externals: &|symbol| externals.get(symbol).copied(),
            roots,
            keep_exports: true,
        };
        Ok(linker::link_in_memory(
            &[Input {
                name: "module",
                bytes: object,
            }],
            &options,
        )?)
    }

    /// Maps the image and reads its descriptor.
    fn load(
        &mut self,
        id: InstanceId,
        interface: Interface,
        externs: &[Extern],
        image: &MemoryImage,
    ) -> Result<(Instance, ModuleDescriptor), Error> {
        let loaded = self.arena.load(image)?;
        let find = |symbol: String| image.address_of(&symbol).ok_or(Error::MissingSymbol { symbol });
        let descriptor_address = find(symbols::MODULE.to_owned())?;
        // SAFETY: the compiler puts a `ModuleDescriptor` there and the image is mapped.
        let descriptor = unsafe { (descriptor_address as *const ModuleDescriptor).read() };
        let mut items = HashMap::new();
        let mut trampolines = HashMap::new();
        for export in &interface.exports {
            let item = match export.import.map(|import| externs[import]) {
                Some(Extern::Item(item)) => Item {
                    entity: export.entity,
                    ..item
                },
                Some(Extern::HostFunction(_)) | None => Item {
                    entity: export.entity,
                    owner: id,
                    address: find(symbols::export(&export.name))?,
                },
            };
            if interface.function_type(&export.entity).is_some() && !matches!(export.entity, EntityType::Tag(_)) {
                trampolines.insert(export.name.clone(), find(symbols::trampoline(&export.name))?);
            }
            items.insert(export.name.clone(), item);
        }
        // SAFETY: the descriptor names a table and an array in the image, which is mapped.
        let (trap_table, handler_table, memories) = unsafe {
            (
                slice_at::<u8>(descriptor.trap_table, descriptor.trap_table_len_bytes),
                slice_at::<u8>(descriptor.handler_table, descriptor.handler_table_len_bytes),
                slice_at::<u64>(descriptor.memories, descriptor.memory_count),
            )
        };
        let code = LoadedCode::new(
            descriptor.text_start,
            descriptor.text_end,
            trap_table.into(),
            handler_table.into(),
            writable_data(image),
        );
        self.runtime.code_map.insert(code);
        let imported_memory_count = memories.len() - interface.memories.len().min(memories.len());
        let instance = Instance {
            interface,
            image: loaded,
            text_start: descriptor.text_start,
            command_start: descriptor.command_start,
            reactor_initialize: descriptor.reactor_initialize,
            own_memories: memories[imported_memory_count..].to_vec(),
            first_memory: memories.first().copied(),
            items,
            trampolines,
            is_shared: false,
        };
        Ok((instance, descriptor))
    }

    fn make_memories(&mut self, windows: Vec<Window>, instance: &Instance) -> Result<(), Error> {
        for (window, &address) in windows.into_iter().zip(&instance.own_memories) {
            let mut memory = LinearMemory::new(window, address)?;
            // SAFETY: the descriptor says that a `MemoryInstance` is there, and no code of the module has run yet.
            unsafe {
                let pages = (*(address as *const MemoryInstance)).minimum_pages;
                (*(address as *mut MemoryInstance)).length_bytes = 0;
                memory.grow(pages).ok_or(Error::Memory { pages })?;
            }
            self.runtime.memories.push(memory);
        }
        Ok(())
    }

    /// Notes that others may hold something of an instance: those it imports from, for what it passes to them, and the owners
    /// of what it imports.
    fn share_imports(&mut self, id: InstanceId, externs: &[Extern]) {
        for import in externs {
            let Extern::Item(item) = import else { continue };
            if let Some(owner) = &mut self.instances[item.owner.0] {
                owner.is_shared = true;
            }
            let interface = self.instances[id.0].as_ref().map(|instance| &instance.interface);
            let passes_references = match &item.entity {
                EntityType::Table(_) | EntityType::Tag(_) => true,
                EntityType::Memory(_) => false,
                EntityType::Global(global) => global.mutable && matches!(global.content_type, ValType::Ref(_)),
                function => interface
                    .and_then(|interface| interface.function_type(function))
                    .is_none_or(|function| function.params().iter().any(|param| matches!(param, ValType::Ref(_)))),
            };
            if let Some(instance) = self.instances[id.0].as_mut().filter(|_| passes_references) {
                instance.is_shared = true;
            }
        }
    }

    fn copy_active_segments(&mut self, descriptor: &ModuleDescriptor) {
        // SAFETY: the descriptor names arrays in the image; a segment lies within its memory's minimum, which is mapped.
        unsafe {
            let memories = slice_at::<u64>(descriptor.memories, descriptor.memory_count);
            for segment in slice_at::<ActiveSegment>(descriptor.active_segments, descriptor.active_segment_count) {
                let Some(memory) = self.runtime.memory(memories[segment.memory_index as usize]) else {
                    continue;
                };
                let destination = memory.alias().add(segment.offset as usize);
                let bytes = slice_at::<u8>(segment.start, segment.length_bytes);
                destination.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            }
        }
    }

    /// Calls an exported function and returns its results. Values of fewer than 16 bytes take the low ones.
    ///
    /// # Errors
    /// [`Error::UnknownExport`], [`Error::ArgumentCount`], [`Error::Trap`] and [`Error::Exit`].
    pub fn call(&mut self, id: InstanceId, name: &str, arguments: &[u128]) -> Result<Vec<u128>, Error> {
        let unknown = || Error::UnknownExport {
            kind: "function",
            name: name.to_owned(),
        };
        let instance = self.instances[id.0].as_ref().ok_or_else(unknown)?;
        let (item, &trampoline) = instance
            .items
            .get(name)
            .zip(instance.trampolines.get(name))
            .ok_or_else(unknown)?;
        let function_type = instance.interface.function_type(&item.entity).ok_or_else(unknown)?;
        let (expected, result_count) = (function_type.params().len(), function_type.results().len());
        if arguments.len() != expected {
            return Err(Error::ArgumentCount {
                given: arguments.len(),
                expected,
            });
        }
        let mut values = arguments.to_vec();
        values.resize(expected.max(result_count).max(1), 0);
        self.run(trampoline, &mut values)?;
        values.truncate(result_count);
        Ok(values)
    }

    /// Runs a command's `_start`, or a reactor's `_initialize`.
    ///
    /// # Errors
    /// As [`call`](Self::call); a command that ends by `proc_exit` is [`Error::Exit`].
    pub fn start(&mut self, id: InstanceId) -> Result<(), Error> {
        let unknown = || Error::UnknownExport {
            kind: "function",
            name: "_start".to_owned(),
        };
        let instance = self.instances[id.0].as_ref().ok_or_else(unknown)?;
        match (instance.command_start, instance.reactor_initialize) {
            (0, 0) => Err(unknown()),
            (0, function) | (function, _) => self.run(function, &mut []),
        }
    }

    fn run(&mut self, function: u64, values: &mut [u128]) -> Result<(), Error> {
        // SAFETY: `function` comes from a loaded module whose imports have been satisfied; `values` has the length that the
        // trampoline of that type needs. The runtime is borrowed with `self`.
        let outcome = unsafe { run(&self.stack, &raw mut *self.runtime, function, values.as_mut_ptr()) }?;
        match outcome {
            Outcome::Returned => Ok(()),
            Outcome::Trapped(raw) => Err(Trap::new(&raw, &self.runtime).into()),
            Outcome::Exited(code) => Err(Error::Exit(code)),
        }
    }

    /// Returns what an instance exports under a name.
    pub fn export(&self, id: InstanceId, name: &str) -> Option<Item> {
        self.instances[id.0].as_ref()?.items.get(name).copied()
    }

    /// Returns the type of an exported function.
    pub fn function_type(&self, id: InstanceId, name: &str) -> Option<&FuncType> {
        let instance = self.instances[id.0].as_ref()?;
        instance.interface.function_type(&instance.items.get(name)?.entity)
    }

    /// Frees an instance, unless another one may hold something of it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn discard(&mut self, id: InstanceId) -> Result<(), Error> {
        let Some(instance) = self.instances[id.0].take_if(|instance| !instance.is_shared) else {
            return Ok(());
        };
        self.runtime
            .memories
            .retain(|memory| !instance.own_memories.contains(&memory.instance()));
        self.runtime.code_map.remove(instance.text_start);
        // SAFETY: no other instance refers to it, and this store forgets it here.
        Ok(unsafe { self.arena.unload(instance.image) }?)
    }
}

fn writable_data(image: &MemoryImage) -> Vec<Range<u64>> {
    let writable = |segment: &&MemorySegment| segment.permissions == Permissions::ReadWrite;
    let segments = image.segments.iter().filter(writable);
    segments
        .map(|segment| segment.address..segment.address + segment.size_bytes)
        .collect()
}

/// Views an array that a descriptor names.
///
/// # Safety
/// `count` values of type `T` lie at `address`, unless `count` is 0, and stay unchanged while borrowed.
unsafe fn slice_at<'a, T>(address: u64, count: u64) -> &'a [T] {
    if count == 0 {
        return &[];
    }
    // SAFETY: the caller's duty.
    unsafe { std::slice::from_raw_parts(address as *const T, count as usize) }
}
