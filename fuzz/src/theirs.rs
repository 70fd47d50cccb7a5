//! Wasmtime's side.

use crate::compare::{Digest, Ending, Side};
use anyhow::{Context, Result, anyhow};
use wasmtime::{Config, Engine, Instance, Module, Store, Trap, V128, Val, ValType};

/// A module on Wasmtime's side.
pub struct Theirs {
    store: Store<()>,
    instance: Instance,
}

/// An item that the module exports and that is compared.
pub enum Exported {
    /// A function with the types of its parameters and results.
    Function(String, Vec<ValType>, Vec<ValType>),
    /// A global and its type.
    Global(String, ValType),
    /// A memory.
    Memory(String),
    /// A table.
    Table(String),
}

impl Exported {
    /// Returns the name of the export.
    pub fn name(&self) -> &str {
        match self {
            Exported::Function(name, ..)
            | Exported::Global(name, _)
            | Exported::Memory(name)
            | Exported::Table(name) => name,
        }
    }
}

/// Makes the engine, with the features that modules are generated with.
///
/// # Errors
/// If Wasmtime does not know one of them.
pub fn engine() -> Result<Engine> {
    let mut config = Config::new();
    config.wasm_multi_memory(true);
    config.wasm_memory64(true);
    config.wasm_tail_call(true);
    config.wasm_function_references(true);
    config.wasm_gc(true);
    config.wasm_exceptions(true);
    config.wasm_wide_arithmetic(true);
    config.wasm_extended_const(true);
    config.wasm_custom_page_sizes(true);
    config.relaxed_simd_deterministic(true);
    Engine::new(&config).map_err(|error| anyhow!("{error:#}"))
}

/// Instantiates a module.
///
/// # Errors
/// What Wasmtime refuses for another reason than a trap.
pub fn instantiate(engine: &Engine, wasm: &[u8]) -> Result<Result<Theirs, Ending>> {
    let module = Module::new(engine, wasm).map_err(|error| anyhow!("Wasmtime: {error:#}"))?;
    let mut store = Store::new(engine, ());
    match Instance::new(&mut store, &module, &[]) {
        Ok(instance) => Ok(Ok(Theirs { store, instance })),
        Err(error) => Ok(Err(ending_of(&error)?)),
    }
}

impl Theirs {
    /// Lists what is exported and compared, in the module's order.
    pub fn exports(&mut self) -> Vec<Exported> {
        let names: Vec<String> = self
            .instance
            .exports(&mut self.store)
            .map(|export| export.name().to_owned())
            .collect();
        let mut exports = Vec::new();
        for name in names {
            if let Some(function) = self.instance.get_func(&mut self.store, &name) {
                let function_type = function.ty(&self.store);
                exports.push(Exported::Function(
                    name,
                    function_type.params().collect(),
                    function_type.results().collect(),
                ));
            } else if let Some(global) = self.instance.get_global(&mut self.store, &name) {
                let content = global.ty(&self.store).content().clone();
                exports.push(Exported::Global(name, content));
            } else if self.instance.get_memory(&mut self.store, &name).is_some() {
                exports.push(Exported::Memory(name));
            } else if self.instance.get_table(&mut self.store, &name).is_some() {
                exports.push(Exported::Table(name));
            }
        }
        exports
    }
}

impl Side for Theirs {
    fn call(&mut self, name: &str, arguments: &[u128], results: usize) -> Result<Ending> {
        let function = self
            .instance
            .get_func(&mut self.store, name)
            .context("the function is exported")?;
        let types = function.ty(&self.store);
        let arguments: Vec<Val> = types
            .params()
            .zip(arguments)
            .map(|(of, &bits)| value(&of, bits))
            .collect();
        let mut values = vec![Val::I32(0); results];
        match function.call(&mut self.store, &arguments, &mut values) {
            Ok(()) => Ok(Ending::Returned(values.iter().map(bits).collect())),
            Err(error) => ending_of(&error),
        }
    }

    fn global(&mut self, name: &str) -> Result<u128> {
        let global = self
            .instance
            .get_global(&mut self.store, name)
            .context("the global is exported")?;
        Ok(bits(&global.get(&mut self.store)))
    }

    fn memory(&mut self, name: &str) -> Result<Digest> {
        let memory = self
            .instance
            .get_memory(&mut self.store, name)
            .context("the memory is exported")?;
        Ok(Digest::of(memory.data(&self.store)))
    }

    fn table(&mut self, name: &str) -> Result<Vec<bool>> {
        let table = self
            .instance
            .get_table(&mut self.store, name)
            .context("the table is exported")?;
        let length = table.size(&self.store);
        let element = |index| {
            let element = table.get(&mut self.store, index).context("the table is so long")?;
            Ok(!element.is_null())
        };
        (0..length).map(element).collect()
    }
}

/// Returns how a call that failed ended, in our words.
fn ending_of(error: &wasmtime::Error) -> Result<Ending> {
    if error.is::<wasmtime::ThrownException>() {
        return Ok(Ending::Trapped("uncaught exception".to_owned()));
    }
    let trap = error
        .downcast_ref::<Trap>()
        .ok_or_else(|| anyhow!("Wasmtime: {error:#}"))?;
    Ok(Ending::Trapped(
        trap.to_string().trim_start_matches("wasm trap: ").to_owned(),
    ))
}

fn value(of: &ValType, bits: u128) -> Val {
    match of {
        ValType::I32 => Val::I32(bits as u32 as i32),
        ValType::I64 => Val::I64(bits as u64 as i64),
        ValType::F32 => Val::F32(bits as u32),
        ValType::F64 => Val::F64(bits as u64),
        ValType::V128 => Val::V128(V128::from(bits)),
        ValType::Ref(reference) => Val::null_ref(reference.heap_type()),
    }
}

/// Returns a value as bits; a reference as whether it is one.
fn bits(value: &Val) -> u128 {
    match value {
        Val::I32(value) => u128::from(*value as u32),
        Val::I64(value) => u128::from(*value as u64),
        Val::F32(bits) => u128::from(*bits),
        Val::F64(bits) => u128::from(*bits),
        Val::V128(value) => value.as_u128(),
        Val::FuncRef(reference) => u128::from(reference.is_some()),
        Val::ExternRef(reference) => u128::from(reference.is_some()),
        Val::AnyRef(reference) => u128::from(reference.is_some()),
        Val::ExnRef(reference) => u128::from(reference.is_some()),
        Val::ContRef(_) => 0,
    }
}
