//! A WASI program under Wasmtime: the peer of [`host::program`], with the same files, streams and marks.
//!
//! Read first: [`Program`]. Limits: the program sees one folder, as its current one.

use host::program::thread_cpu_time;
use std::path::Path;
use std::time::Duration;
use wasmtime::{Config, Engine, Inlining, Linker, Module, Result, Store};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};

/// How Wasmtime is set up; both compile for the CPU of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settings {
    /// As it comes.
    Default,
    /// What makes its code faster: inlining between functions, and memories that stay where they are.
    Fastest,
}

/// What belongs to one run.
struct State {
    wasi: WasiP1Ctx,
    started: Option<Duration>,
    measured: Option<Duration>,
}

/// A compiled program.
pub struct Program {
    engine: Engine,
    module: Module,
}

impl Program {
    /// Compiles a program.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or Wasmtime refuses the module.
    pub fn compile(wasm: &Path, settings: Settings) -> Result<Program> {
        let mut config = Config::new();
        if settings == Settings::Fastest {
            config.compiler_inlining(Inlining::Yes).memory_may_move(false);
        }
        let engine = Engine::new(&config)?;
        let module = Module::from_file(&engine, wasm)?;
        Ok(Program { engine, module })
    }

    /// Runs the program with this process's streams and returns its exit code, and the CPU time between its calls of
    /// `bench.start` and `bench.end`, if it made any.
    ///
    /// # Errors
    /// Returns an error if the program cannot be instantiated or traps.
    pub fn run(&self, folder: Option<&Path>, arguments: &[&str]) -> Result<(i32, Option<Duration>)> {
        let mut wasi = WasiCtxBuilder::new();
        wasi.inherit_stdio().arg("program").args(arguments);
        if let Some(folder) = folder {
            wasi.preopened_dir(folder, ".", FsPerms::ReadWrite)?;
        }
        let state = State {
            wasi: wasi.build_p1(),
            started: None,
            measured: None,
        };
        let mut store = Store::new(&self.engine, state);
        let instance = linker(&self.engine)?.instantiate(&mut store, &self.module)?;
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
        let code = match start.call(&mut store, ()) {
            Ok(()) => 0,
            Err(error) => error.downcast::<I32Exit>()?.0,
        };
        Ok((code, store.data().measured))
    }
}

fn linker(engine: &Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    p1::add_to_linker_sync(&mut linker, |state: &mut State| &mut state.wasi)?;
    linker.func_wrap("bench", "start", |mut caller: wasmtime::Caller<'_, State>| {
        caller.data_mut().started = Some(thread_cpu_time());
    })?;
    linker.func_wrap("bench", "end", |mut caller: wasmtime::Caller<'_, State>| {
        let state = caller.data_mut();
        state.measured = state.started.map(|started| thread_cpu_time() - started);
    })?;
    Ok(linker)
}
