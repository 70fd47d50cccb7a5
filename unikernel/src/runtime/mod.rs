//! What compiled code stands on: instantiation, the functions it calls besides its imports, and traps.
//!
//! [`start`] brings a module to life and runs it. [`linear_memory`], [`table`] and [`atomic_wait`] define the functions of
//! [`abi::builtins`]; copying and filling memory is assembly in `arch`. [`trap`] reports how a program died, with
//! [`backtrace`]. Here and nowhere else the layouts of [`abi::instance`] are read and written.

mod atomic_wait;
mod backtrace;
mod exception;
mod linear_memory;
pub mod module;
pub mod start;
mod table;
pub mod trap;
