//! Our side: the module compiled by wasm2obj and run in this process by `host`.

use crate::compare::{Digest, Ending, Side};
use crate::module::Conditions;
use anyhow::{Context, Result};
use host::{Error, InstanceId, Store, StoreOptions};

/// A module on our side.
pub struct Ours {
    store: Store,
    instance: InstanceId,
}

/// Instantiates a module.
///
/// # Errors
/// What keeps the module from being compiled, linked or loaded: any of that is a finding.
pub fn instantiate(wasm: &[u8], conditions: Conditions) -> Result<Result<Ours, Ending>> {
    let mut store = Store::new(StoreOptions {
        bounds_checks: conditions.bounds_checks,
        cpu: conditions.cpu,
        ..StoreOptions::default()
    })?;
    match store.instantiate(wasm, &|_, _| None) {
        Ok(instance) => Ok(Ok(Ours { store, instance })),
        Err(Error::Trap(trap)) => Ok(Err(Ending::Trapped(trap.code.message().to_owned()))),
        Err(other) => Err(other).context("wasmetal cannot instantiate what Wasmtime can"),
    }
}

impl Side for Ours {
    fn call(&mut self, name: &str, arguments: &[u128], _results: usize) -> Result<Ending> {
        match self.store.call(self.instance, name, arguments) {
            Ok(values) => Ok(Ending::Returned(values)),
            Err(Error::Trap(trap)) => Ok(Ending::Trapped(trap.code.message().to_owned())),
            Err(other) => Err(other.into()),
        }
    }

    fn global(&mut self, name: &str) -> Result<u128> {
        Ok(self.store.global(self.instance, name)?)
    }

    fn memory(&mut self, name: &str) -> Result<Digest> {
        Ok(Digest::of(self.store.memory(self.instance, name)?))
    }

    fn table(&mut self, name: &str) -> Result<Vec<bool>> {
        Ok(self.store.table(self.instance, name)?)
    }
}
