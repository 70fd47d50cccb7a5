//! The loaded modules: which code address belongs to which, what its trap table says about it, and where its data lies.
//!
//! The signal handler asks while the thread that owns the map waits in it, so a lookup takes no lock and allocates nothing.

use abi::trap_code::TrapCode;
use abi::trap_table::TrapTable;
use std::ops::Range;
use unikernel::trap_report::Frame;

/// The code of one loaded module.
#[derive(Debug)]
pub struct LoadedCode {
    /// First byte.
    text_start: u64,
    /// First byte after it.
    text_end: u64,
    /// The encoded trap table.
    trap_table: Box<[u8]>,
    /// The encoded handler table.
    handler_table: Box<[u8]>,
    /// Addresses of the data that the module writes.
    writable_data: Vec<Range<u64>>,
}

impl LoadedCode {
    /// Describes the module whose code lies between two addresses.
    pub fn new(
        text_start: u64,
        text_end: u64,
        trap_table: Box<[u8]>,
        handler_table: Box<[u8]>,
        writable_data: Vec<Range<u64>>,
    ) -> LoadedCode {
        LoadedCode {
            text_start,
            text_end,
            trap_table,
            handler_table,
            writable_data,
        }
    }

    /// Returns the address of the first byte.
    pub fn text_start(&self) -> u64 {
        self.text_start
    }

    /// Returns the encoded handler table.
    pub fn handler_table(&self) -> &[u8] {
        &self.handler_table
    }

    fn offset(&self, address: u64) -> Option<u32> {
        u32::try_from(address.checked_sub(self.text_start)?).ok()
    }
}

/// The code of all modules loaded.
#[derive(Debug, Default)]
pub struct CodeMap {
    modules: Vec<LoadedCode>,
}

impl CodeMap {
    /// Adds a module.
    pub fn insert(&mut self, code: LoadedCode) {
        self.modules.push(code);
    }

    /// Removes the module whose code contains an address.
    pub fn remove(&mut self, address: u64) {
        self.modules
            .retain(|module| !(module.text_start..module.text_end).contains(&address));
    }

    /// Returns the module whose code contains an address.
    pub fn find(&self, address: u64) -> Option<&LoadedCode> {
        self.modules
            .iter()
            .find(|module| (module.text_start..module.text_end).contains(&address))
    }

    /// Returns the addresses of all modules' writable data.
    pub fn writable_data(&self) -> impl Iterator<Item = Range<u64>> {
        self.modules
            .iter()
            .flat_map(|module| module.writable_data.iter().cloned())
    }

    /// Returns why the instruction at an address traps, if it is one that may.
    pub fn find_trap(&self, address: u64) -> Option<TrapCode> {
        let code = self.find(address)?;
        let offset = code.offset(address)?;
        TrapTable::new(&code.trap_table)
            .find_function(offset)?
            .find_trap(offset)?
            .trap
    }

    /// Takes the frames of a backtrace that an address stands for, innermost first.
    pub fn frames<'a>(&'a self, address: u64, is_innermost: bool, take: &mut dyn FnMut(Frame<'a>)) {
        if let Some(code) = self.find(address)
            && let Some(offset) = code.offset(address)
        {
            Frame::find(&TrapTable::new(&code.trap_table), offset, is_innermost, take);
        }
    }
}
