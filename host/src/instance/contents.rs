//! What may be read of an instance between calls: globals, memories and tables.
//!
//! Read first: [`Store::memory`]. Limits: a reference is only told from null.

use super::{InstanceId, Item, Store, slice_at};
use crate::error::Error;
use abi::instance::{MemoryInstance, TableInstance};
use wasmparser::types::EntityType;

impl Store {
    /// Returns the value of an exported global.
    ///
    /// # Errors
    /// [`Error::UnknownExport`].
    pub fn global(&self, id: InstanceId, name: &str) -> Result<u128, Error> {
        match self.export(id, name) {
            Some(Item {
                entity: EntityType::Global(_),
                address,
                ..
            }) => {
                // SAFETY: a global's cell of 16 bytes is there, aligned, in a module that is loaded.
                Ok(unsafe { (address as *const u128).read() })
            }
            _ => Err(Error::UnknownExport {
                kind: "global",
                name: name.to_owned(),
            }),
        }
    }

    /// Returns the bytes of an exported memory.
    ///
    /// # Errors
    /// [`Error::UnknownExport`].
    pub fn memory(&mut self, id: InstanceId, name: &str) -> Result<&[u8], Error> {
        let unknown = || Error::UnknownExport {
            kind: "memory",
            name: name.to_owned(),
        };
        let Some(Item {
            entity: EntityType::Memory(_),
            address,
            ..
        }) = self.export(id, name)
        else {
            return Err(unknown());
        };
        let memory = self.runtime.memory(address).ok_or_else(unknown)?;
        // SAFETY: the address is that of a `MemoryInstance` in a module that is loaded, and no Wasm code runs meanwhile.
        let length_bytes = unsafe { (*(address as *const MemoryInstance)).length_bytes };
        // SAFETY: so many bytes are mapped at the alias, and they stay so while the store is borrowed.
        Ok(unsafe { slice_at(memory.alias() as u64, length_bytes) })
    }

    /// Tells which elements of an exported table are not null.
    ///
    /// # Errors
    /// [`Error::UnknownExport`].
    pub fn table(&self, id: InstanceId, name: &str) -> Result<Vec<bool>, Error> {
        match self.export(id, name) {
            Some(Item {
                entity: EntityType::Table(_),
                address,
                ..
            }) => {
                // SAFETY: an exported table has the general form, and its module is loaded.
                let table = unsafe { &*(address as *const TableInstance) };
                // SAFETY: so many elements of 8 bytes lie there, and no Wasm code runs meanwhile.
                let elements: &[u64] = unsafe { slice_at(table.elements, table.length) };
                Ok(elements.iter().map(|&element| element != 0).collect())
            }
            _ => Err(Error::UnknownExport {
                kind: "table",
                name: name.to_owned(),
            }),
        }
    }

    /// Returns the instance of memory 0 and the address of its byte 0 in the host's view.
    pub fn first_memory(&mut self, id: InstanceId) -> Option<(*const MemoryInstance, *mut u8)> {
        let address = self.instances[id.0].as_ref()?.first_memory?;
        let alias = self.runtime.memory(address)?.alias();
        Some((address as *const MemoryInstance, alias))
    }
}
