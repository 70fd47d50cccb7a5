//! The chain from a module to an image: check, compile, encode what is baked in, link.
//!
//! Read first: [`UnikernelBuilder::build`].

use crate::error::{Error, ErrorKind};
use crate::kernel;
use crate::memory_floor::MemoryFloor;
use crate::module_facts::ModuleFacts;
use crate::object_cache::ObjectCache;
use abi::baked_tree;
use abi::configuration::{Tag, write_record};
use abi::symbols;
use linker::{Blob, Input, LinkMap, LinkOptions, UndefinedPolicy};
use wasm2obj::{BoundsChecks, CompileOptions, Cpu, OptLevel};

const CONFIGURATION_ALIGNMENT: u64 = 8;
/// Baked files are served where they lie, at multiples of 16 bytes from the start of the tree.
const BAKED_TREE_ALIGNMENT: u64 = 16;

/// Size of the stack where the code is not optimised, which keeps more in its frames.
const UNOPTIMIZED_STACK_SIZE_BYTES: u64 = 8 << 20;

/// A program as a bootable file.
#[derive(Clone, Debug)]
pub struct Unikernel {
    /// The file.
    pub image: Vec<u8>,
    /// What is where in it, if asked for.
    pub link_map: Option<LinkMap>,
    /// The least RAM in which it starts.
    pub memory_floor: MemoryFloor,
}

/// What an image is made of besides the module. Every option has a default.
#[derive(Debug, Default)]
pub struct UnikernelBuilder {
    arguments: Vec<Vec<u8>>,
    environment: Vec<(Vec<u8>, Vec<u8>)>,
    tree: baked_tree::Builder,
    stack_size_bytes: Option<u64>,
    kernel_options: Vec<String>,
    compile: CompileOptions,
    linked: Vec<(String, Vec<u8>)>,
    link: LinkOptions,
    memory_bytes: Option<u64>,
    name: Option<String>,
    object_cache: Option<ObjectCache>,
}

impl UnikernelBuilder {
    /// Starts with the defaults.
    pub fn new() -> Self {
        UnikernelBuilder::default()
    }

    /// Names the program in the link map. Default: `app`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Adds an argument; the first is the program's name. Default: none.
    pub fn argument(mut self, argument: impl Into<Vec<u8>>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets an environment variable. Default: none is set.
    pub fn environment_variable(mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Sets the files that the program finds, read-only, in its preopened directories. Default: none.
    pub fn baked_tree(mut self, tree: baked_tree::Builder) -> Self {
        self.tree = tree;
        self
    }

    /// Sets the size of the stack on which the program runs, in bytes. Default: 1 MiB, or 8 MiB without optimisation.
    pub fn stack_size_bytes(mut self, size_bytes: u64) -> Self {
        self.stack_size_bytes = Some(size_bytes);
        self
    }

    /// Adds a word of the kernel command line, such as `log=debug`, which the loader's command line can override. Default: none.
    pub fn kernel_option(mut self, word: impl Into<String>) -> Self {
        self.kernel_options.push(word.into());
        self
    }

    /// Sets the CPU that the code may rely on. Default: x86-64-v2.
    pub fn cpu(mut self, cpu: Cpu) -> Self {
        self.compile.cpu = cpu;
        self
    }

    /// Sets how much to optimise. Default: for speed.
    pub fn opt_level(mut self, level: OptLevel) -> Self {
        self.compile.opt_level = level;
        self
    }

    /// Sets how accesses to linear memory are checked. Default: by the MMU.
    pub fn bounds_checks(mut self, bounds_checks: BoundsChecks) -> Self {
        self.compile.bounds_checks = bounds_checks;
        self
    }

    /// Links a further ELF object or archive, which may define imports: `<module>.<name>` in the System V convention.
    /// Default: none.
    pub fn link_object(mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        self.linked.push((name.into(), bytes.into()));
        self
    }

    /// Sets what becomes of imports that nothing supplies. Default: an error.
    pub fn undefined_imports(mut self, policy: UndefinedPolicy) -> Self {
        self.link.undefined = policy;
        self
    }

    /// Asks for a link map. Default: no.
    pub fn link_map(mut self, wanted: bool) -> Self {
        self.link.link_map = wanted;
        self
    }

    /// Asks for a symbol table in the image, for debuggers. Default: no.
    pub fn symbols(mut self, wanted: bool) -> Self {
        self.link.symbols = wanted;
        self
    }

    /// Refuses a module that cannot start in so much RAM, in bytes. Default: no limit.
    pub fn memory_bytes(mut self, memory_bytes: u64) -> Self {
        self.memory_bytes = Some(memory_bytes);
        self
    }

    /// Keeps compiled modules for the next time, and takes them from there. The image is the same. Default: compiles always.
    pub fn object_cache(mut self, cache: ObjectCache) -> Self {
        self.object_cache = Some(cache);
        self
    }

    /// Makes the image of a module.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub fn build(mut self, wasm: &[u8]) -> Result<Unikernel, Error> {
        // What does not parse is left to the compiler, whose messages are better.
        let facts = ModuleFacts::read(wasm);
        if let Some(facts) = facts.as_ref().filter(|facts| !facts.has_entry_point) {
            return Err(ErrorKind::NoEntryPoint {
                function_exports: facts.function_exports.clone(),
            }
            .into());
        }
        if self.compile.opt_level == OptLevel::None {
            self.stack_size_bytes.get_or_insert(UNOPTIMIZED_STACK_SIZE_BYTES);
        }
        let linear_memory_bytes = facts.map_or(0, |facts| facts.minimum_memory_bytes);
        // What is certain already need not be compiled first.
        self.check_memory(&MemoryFloor::new(0, self.stack_size_bytes, linear_memory_bytes))?;
        let object = match &self.object_cache {
            Some(cache) => cache.compile(wasm, &self.compile)?,
            None => wasm2obj::compile(wasm, &self.compile)?.bytes,
        };
        self.link.blobs = vec![
            Blob {
                symbol: symbols::CONFIGURATION.to_owned(),
                bytes: self.encode_configuration(linear_memory_bytes)?,
                alignment: CONFIGURATION_ALIGNMENT,
            },
            Blob {
                symbol: symbols::BAKED_TREE.to_owned(),
                bytes: self.tree.encode()?,
                alignment: BAKED_TREE_ALIGNMENT,
            },
        ];
        let name = self.name.as_deref().unwrap_or("app");
        let mut inputs = vec![Input { name, bytes: &object }];
        inputs.extend(self.linked.iter().map(|(name, bytes)| Input { name, bytes }));
        inputs.push(Input {
            name: kernel::NAME,
            bytes: kernel::ARCHIVE,
        });
        let image = linker::link(&inputs, &self.link)?;
        let sizes = image.sizes;
        let loaded_bytes = sizes.read_only_bytes + sizes.text_bytes + sizes.data_bytes + sizes.zero_initialized_bytes;
        let memory_floor = MemoryFloor::new(loaded_bytes, self.stack_size_bytes, linear_memory_bytes);
        self.check_memory(&memory_floor)?;
        Ok(Unikernel {
            image: image.bytes,
            link_map: image.link_map,
            memory_floor,
        })
    }

    fn check_memory(&self, floor: &MemoryFloor) -> Result<(), Error> {
        match self.memory_bytes {
            Some(memory_bytes) => floor.check(memory_bytes),
            None => Ok(()),
        }
    }

    fn encode_configuration(&self, linear_memory_bytes: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        for argument in &self.arguments {
            check_string("argument", argument)?;
            write_record(&mut bytes, Tag::Argument, argument);
        }
        for (name, value) in &self.environment {
            if name.is_empty() || name.contains(&b'=') {
                let problem = "is no name of an environment variable";
                return Err(ErrorKind::InvalidString {
                    what: "the name",
                    value: name.clone(),
                    problem,
                }
                .into());
            }
            let variable = [name, &b"="[..], value].concat();
            check_string("environment variable", &variable)?;
            write_record(&mut bytes, Tag::Environment, &variable);
        }
        if let Some(size_bytes) = self.stack_size_bytes {
            write_record(&mut bytes, Tag::StackSize, &size_bytes.to_le_bytes());
        }
        write_record(&mut bytes, Tag::LinearMemorySize, &linear_memory_bytes.to_le_bytes());
        for word in &self.kernel_options {
            write_record(&mut bytes, Tag::KernelOption, word.as_bytes());
        }
        Ok(bytes)
    }
}

/// WASI ends these strings with a zero byte, so they cannot contain one.
fn check_string(what: &'static str, value: &[u8]) -> Result<(), Error> {
    if value.contains(&0) {
        let problem = "contains a zero byte";
        return Err(ErrorKind::InvalidString {
            what,
            value: value.to_vec(),
            problem,
        }
        .into());
    }
    Ok(())
}
