//! The comparison: the same calls with the same arguments on both sides, one after the other.

use crate::module::Conditions;
use crate::theirs::Exported;
use crate::{ours, theirs};
use anyhow::{Result, ensure};
use std::hash::{DefaultHasher, Hasher};
use wasmtime::{Engine, ValType};

/// How a call ended. References count as 1, null as 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It returned these values.
    Returned(Vec<u128>),
    /// It trapped, with these words.
    Trapped(String),
}

/// What is asked of both sides.
pub trait Side {
    /// Calls an exported function.
    fn call(&mut self, name: &str, arguments: &[u128], results: usize) -> Result<Ending>;

    /// Reads an exported global.
    fn global(&mut self, name: &str) -> Result<u128>;

    /// Reads an exported memory.
    fn memory(&mut self, name: &str) -> Result<Digest>;

    /// Reads which elements of an exported table are not null.
    fn table(&mut self, name: &str) -> Result<Vec<bool>>;
}

/// The length of a memory, and a hash of its bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Digest {
    len_bytes: usize,
    hash: u64,
}

impl Digest {
    /// Computes the digest of a memory's bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        let mut hasher = DefaultHasher::new();
        hasher.write(bytes);
        Digest {
            len_bytes: bytes.len(),
            hash: hasher.finish(),
        }
    }
}

/// Values that arguments are taken from: the edges of the number types.
const ARGUMENTS: [u128; 4] = [0, 1, 0x8000_0000_8000_0000, u128::MAX];

const STACK_EXHAUSTED: &str = "call stack exhausted";

/// What one export did.
#[derive(Debug, PartialEq, Eq)]
enum Observation {
    Call(Ending),
    Global(u128),
    Memory(Digest),
    Table(Vec<bool>),
}

/// Runs a module on both sides, one after the other: Wasmtime counts on address 0 to fault, where our linear memory lies.
///
/// # Errors
/// The first difference.
pub fn compare(engine: &Engine, wasm: &[u8], conditions: Conditions) -> Result<()> {
    let mut exports = Vec::new();
    let expected = match theirs::instantiate(engine, wasm)? {
        Ok(mut theirs) => {
            exports = theirs.exports();
            Ok(observe(&mut theirs, &exports)?)
        }
        Err(ending) => Err(ending),
    };
    let found = match ours::instantiate(wasm, conditions)? {
        Ok(mut ours) => Ok(observe(&mut ours, &exports)?),
        Err(ending) => Err(ending),
    };
    let (expected, found) = match (expected, found) {
        (Ok(expected), Ok(found)) => (expected, found),
        (expected, found) => {
            let (expected, found) = (expected.err(), found.err());
            if [&expected, &found].into_iter().flatten().any(is_exhaustion) {
                return Ok(());
            }
            ensure!(
                expected == found,
                "instantiation: Wasmtime {expected:?}, wasmetal {found:?}"
            );
            return Ok(());
        }
    };
    for (step, ((export, expected), (_, found))) in expected.iter().zip(&found).enumerate() {
        let name = export.name();
        if let (Observation::Call(expected), Observation::Call(found)) = (expected, found)
            && [expected, found].into_iter().any(is_exhaustion)
        {
            return Ok(());
        }
        ensure!(
            expected == found,
            "step {step}, export {name:?}: Wasmtime {expected:x?}, wasmetal {found:x?}"
        );
    }
    Ok(())
}

fn is_exhaustion(ending: &Ending) -> bool {
    matches!(ending, Ending::Trapped(message) if message == STACK_EXHAUSTED)
}

/// Calls every function and reads every global, once for each argument, and in the end every memory and table. Only null is
/// passed for a reference; a function that takes none is called by neither side.
fn observe<'a>(side: &mut impl Side, exports: &'a [Exported]) -> Result<Vec<(&'a Exported, Observation)>> {
    let mut observations = Vec::with_capacity(exports.len() * ARGUMENTS.len());
    for argument in ARGUMENTS {
        for export in exports {
            let observation = match export {
                Exported::Function(name, parameters, results) => {
                    Observation::Call(call(side, name, parameters, results, argument)?)
                }
                Exported::Global(name, of) => Observation::Global(truncate(of, side.global(name)?)),
                Exported::Memory(_) | Exported::Table(_) => continue,
            };
            observations.push((export, observation));
        }
    }
    for export in exports {
        let observation = match export {
            Exported::Memory(name) => Observation::Memory(side.memory(name)?),
            Exported::Table(name) => Observation::Table(side.table(name)?),
            Exported::Function(..) | Exported::Global(..) => continue,
        };
        observations.push((export, observation));
    }
    Ok(observations)
}

fn call(
    side: &mut impl Side,
    name: &str,
    parameters: &[ValType],
    results: &[ValType],
    argument: u128,
) -> Result<Ending> {
    if parameters
        .iter()
        .any(|of| of.as_ref().is_some_and(|reference| !reference.is_nullable()))
    {
        return Ok(Ending::Returned(Vec::new()));
    }
    let bits = |of: &ValType| if of.is_ref() { 0 } else { truncate(of, argument) };
    let arguments: Vec<u128> = parameters.iter().map(bits).collect();
    let mut ending = side.call(name, &arguments, results.len())?;
    if let Ending::Returned(values) = &mut ending {
        values
            .iter_mut()
            .zip(results)
            .for_each(|(value, of)| *value = truncate(of, *value));
    }
    Ok(ending)
}

/// Keeps the bits that a type has; of a reference, whether it is one.
fn truncate(of: &ValType, bits: u128) -> u128 {
    match of {
        ValType::I32 | ValType::F32 => u128::from(bits as u32),
        ValType::I64 | ValType::F64 => u128::from(bits as u64),
        ValType::V128 => bits,
        ValType::Ref(_) => u128::from(bits as u64 != 0),
    }
}
