//! Carries out the commands of one script.
//!
//! Read first: [`run`], [`Script::run_command`]. Limits: no threads, no components.

use super::{messages, values};
use crate::error::Error;
use crate::instance::{Extern, InstanceId, Store, StoreOptions};
use crate::linear_memory::Window;
use abi::trap_code::TrapCode;
use std::cell::RefCell;
use std::collections::HashMap;
use wasm2obj::{CompileOptions, ErrorKind};
use wasmparser::{Validator, WasmFeatures};
use wast::token::Id;
use wast::{QuoteWat, Wast, WastDirective, WastExecute, WastInvoke};

/// Why a command failed, in words.
pub type CommandResult = Result<(), String>;

const SPECTEST: &str = include_str!("spectest.wat");

/// What happens while a script runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The command at this line begins.
    Start(usize),
    /// The command has ended.
    End(CommandResult),
}

/// Runs a script from its source.
///
/// # Errors
/// In words, if the script cannot be parsed or begun.
pub fn run(source: &str, options: StoreOptions, mut on_event: impl FnMut(Event)) -> CommandResult {
    let mut lexer = wast::lexer::Lexer::new(source);
    lexer.allow_confusing_unicode(true);
    let buffer = wast::parser::ParseBuffer::new_with_lexer(lexer).map_err(words)?;
    let wast = wast::parser::parse::<Wast<'_>>(&buffer).map_err(words)?;
    let mut script = Script::new(options)?;
    for mut command in wast.directives {
        on_event(Event::Start(command.span().linecol_in(source).0 + 1));
        on_event(Event::End(script.run_command(&mut command)));
    }
    Ok(())
}

/// An instance, or why the script has none of it: the words of every command that needs it.
type Handle = Result<InstanceId, String>;

/// The state of a script: its instances and their names.
#[derive(Debug)]
pub struct Script {
    store: Store,
    options: StoreOptions,
    /// The most recent module, for commands that name none.
    current: Handle,
    /// Whether a name refers to `current`.
    current_is_named: bool,
    named: HashMap<String, Handle>,
    registered: HashMap<String, Handle>,
    /// Modules by name, and the last one.
    definitions: HashMap<Option<String>, Vec<u8>>,
}

/// Why a module was not instantiated.
#[derive(Debug, thiserror::Error)]
enum NoInstance {
    /// The module itself.
    #[error(transparent)]
    Refused(#[from] Error),
    /// It imports from a module that there is no instance of, for this reason.
    #[error("{0}")]
    ImportMissing(String),
}

/// How an invocation ended.
enum Ended {
    Returned(Vec<u128>),
    Trapped(TrapCode),
}

impl Script {
    /// Makes the state at a script's beginning: only the module `spectest` is there.
    ///
    /// # Errors
    /// In words, where the process cannot hold it.
    pub fn new(options: StoreOptions) -> Result<Script, String> {
        let mut store = Store::new(options.clone()).map_err(words)?;
        let wasm = wat::parse_str(SPECTEST).map_err(words)?;
        // The lowest window is for the modules under test, so that they are compiled as they are for the guest.
        let lowest_window = Window::reserve(false).map_err(words)?;
        let spectest = store
            .instantiate(&wasm, &|_, _| None)
            .map_err(|error| format!("spectest: {error}"))?;
        drop(lowest_window);
        Ok(Script {
            store,
            options,
            current: Err("there is no current module".to_owned()),
            current_is_named: false,
            named: HashMap::new(),
            registered: HashMap::from([("spectest".to_owned(), Ok(spectest))]),
            definitions: HashMap::new(),
        })
    }

    /// Carries out one command.
    ///
    /// # Errors
    /// In words, if its outcome is not the expected one.
    pub fn run_command(&mut self, command: &mut WastDirective<'_>) -> CommandResult {
        match command {
            WastDirective::Module(module) => self.define_and_instantiate(module),
            WastDirective::ModuleDefinition(module) => self.define(module),
            WastDirective::ModuleInstance { instance, module, .. } => self.instantiate_definition(*instance, *module),
            WastDirective::Register { name, module, .. } => self.register(name, *module),
            WastDirective::Invoke(invoke) => expect_results(self.invoke(invoke)?, |_| true, "anything"),
            WastDirective::AssertReturn { exec, results, .. } => {
                let is_expected = |found: &[u128]| {
                    found.len() == results.len()
                        && found
                            .iter()
                            .zip(&*results)
                            .all(|(&value, wanted)| values::is_expected(value, wanted))
                };
                expect_results(self.execute(exec)?, is_expected, &format!("{results:?}"))
            }
            WastDirective::AssertTrap { exec, message, .. } => expect_trap(self.execute(exec)?, message, |code| {
                messages::is_expected(code, message)
            }),
            WastDirective::AssertExhaustion { call, message, .. } => {
                expect_trap(self.invoke(call)?, message, |code| code == TrapCode::StackOverflow)
            }
            WastDirective::AssertException { exec, .. } => expect_trap(self.execute(exec)?, "an exception", |code| {
                code == TrapCode::UncaughtException
            }),
            WastDirective::AssertMalformed { module, message, .. }
            | WastDirective::AssertInvalid { module, message, .. }
            | WastDirective::AssertMalformedCustom { module, message, .. }
            | WastDirective::AssertInvalidCustom { module, message, .. } => self.expect_rejection(module, message),
            WastDirective::AssertUnlinkable { module, message, .. } => {
                let wasm = module.encode().map_err(words)?;
                self.expect_unlinkable(&wasm, message)
            }
            WastDirective::Thread(_) | WastDirective::Wait { .. } => Err("threads are not supported".to_owned()),
            WastDirective::AssertSuspension { .. } => Err("stack switching is not supported".to_owned()),
        }
    }

    fn define_and_instantiate(&mut self, module: &mut QuoteWat<'_>) -> CommandResult {
        self.release_current();
        let name = module.name().map(|id| id.name().to_owned());
        let wasm = module.encode().map_err(words)?;
        self.definitions.insert(name.clone(), wasm.clone());
        let handle = self.instantiate(&wasm);
        self.set_current(handle, name)
    }

    fn define(&mut self, module: &mut QuoteWat<'_>) -> CommandResult {
        let name = module.name().map(|id| id.name().to_owned());
        let wasm = module.encode().map_err(words)?;
        self.compile(&wasm).map_err(words)?;
        self.definitions.insert(None, wasm.clone());
        self.definitions.insert(name, wasm);
        Ok(())
    }

    fn instantiate_definition(&mut self, instance: Option<Id<'_>>, module: Option<Id<'_>>) -> CommandResult {
        self.release_current();
        let key = module.map(|id| id.name().to_owned());
        let wasm = self
            .definitions
            .get(&key)
            .cloned()
            .ok_or_else(|| format!("no module definition {key:?}"))?;
        let handle = self.instantiate(&wasm);
        self.set_current(handle, instance.map(|id| id.name().to_owned()))
    }

    fn register(&mut self, name: &str, module: Option<Id<'_>>) -> CommandResult {
        let handle = self.find_instance(module);
        self.registered.insert(name.to_owned(), handle.clone());
        self.current_is_named |= self.current == handle;
        handle.map(|_| ())
    }

    /// Frees the current module if no command can refer to it any more.
    fn release_current(&mut self) {
        let current = std::mem::replace(&mut self.current, Err("there is no current module".to_owned()));
        if let Ok(instance) = current
            && !self.current_is_named
        {
            // What cannot be freed stays, which changes nothing for the script.
            let _ = self.store.discard(instance);
        }
    }

    fn set_current(&mut self, handle: Result<InstanceId, NoInstance>, name: Option<String>) -> CommandResult {
        self.current = handle.map_err(words);
        self.current_is_named = name.is_some();
        self.named.extend(name.map(|name| (name, self.current.clone())));
        self.current.clone().map(|_| ())
    }

    fn find_instance(&self, module: Option<Id<'_>>) -> Handle {
        match module {
            Some(id) => self
                .named
                .get(id.name())
                .cloned()
                .unwrap_or_else(|| Err(format!("no instance ${}", id.name()))),
            None => self.current.clone(),
        }
    }

    fn compile(&self, wasm: &[u8]) -> Result<(), wasm2obj::Error> {
        let options = CompileOptions {
            cpu: self.options.cpu.clone(),
            bounds_checks: self.options.bounds_checks,
            ..CompileOptions::default()
        };
        wasm2obj::compile(wasm, &options).map(|_| ())
    }

    fn instantiate(&mut self, wasm: &[u8]) -> Result<InstanceId, NoInstance> {
        let registered = &self.registered;
        let missing = RefCell::new(None);
        let instantiated = self
            .store
            .instantiate(wasm, &|store, import| match registered.get(&import.module)? {
                Ok(instance) => store.export(*instance, &import.name).map(Extern::Item),
                Err(reason) => {
                    missing.replace(Some(reason.clone()));
                    None
                }
            });
        match missing.into_inner() {
            Some(reason) => Err(NoInstance::ImportMissing(reason)),
            None => Ok(instantiated?),
        }
    }

    fn execute(&mut self, exec: &mut WastExecute<'_>) -> Result<Ended, String> {
        match exec {
            WastExecute::Invoke(invoke) => self.invoke(invoke),
            WastExecute::Wat(module) => {
                let wasm = module.encode().map_err(words)?;
                match self.instantiate(&wasm) {
                    Err(NoInstance::Refused(error)) => ended(Err(error)),
                    Err(error) => Err(words(error)),
                    Ok(_) => Ok(Ended::Returned(Vec::new())),
                }
            }
            WastExecute::Get { module, global, .. } => {
                let instance = self.find_instance(*module)?;
                Ok(Ended::Returned(vec![
                    self.store.global(instance, global).map_err(words)?,
                ]))
            }
        }
    }

    fn invoke(&mut self, invoke: &WastInvoke<'_>) -> Result<Ended, String> {
        let instance = self.find_instance(invoke.module)?;
        let arguments = invoke
            .args
            .iter()
            .map(values::argument)
            .collect::<Result<Vec<_>, _>>()?;
        let mut outcome = self.store.call(instance, invoke.name, &arguments);
        if let (Ok(results), Some(function_type)) = (&mut outcome, self.store.function_type(instance, invoke.name)) {
            for (value, &value_type) in results.iter_mut().zip(function_type.results()) {
                *value = values::truncate(*value, value_type);
            }
        }
        ended(outcome)
    }

    fn expect_rejection(&self, module: &mut QuoteWat<'_>, message: &str) -> CommandResult {
        let Ok(wasm) = module.encode() else {
            return Ok(());
        };
        match self.compile(&wasm) {
            Ok(()) => Err(format!("compiled, though: {message}")),
            Err(error) => {
                let is_refusal = match error.kind() {
                    ErrorKind::Unsupported { .. } | ErrorKind::Limit { .. } => is_invalid_today(&wasm),
                    _ => true,
                };
                check(is_refusal, || {
                    format!("refused for another reason than {message}: {error}")
                })
            }
        }
    }

    fn expect_unlinkable(&mut self, wasm: &[u8], message: &str) -> CommandResult {
        match self.instantiate(wasm) {
            Ok(_) => Err(format!("was linked, though: {message}")),
            Err(NoInstance::Refused(error @ (Error::UnknownImport { .. } | Error::IncompatibleImport { .. }))) => {
                check(error.to_string().starts_with(message), || {
                    format!("{error}, not {message}")
                })
            }
            Err(error) => Err(format!("{error}, not {message}")),
        }
    }
}

/// Tells whether a module is invalid in the language of the suite: WebAssembly 3.0 and the proposals it tests. The compiler
/// calls some such modules unsupported, since a further proposal would make them valid.
fn is_invalid_today(wasm: &[u8]) -> bool {
    let features = WasmFeatures::WASM3
        | WasmFeatures::THREADS
        | WasmFeatures::WIDE_ARITHMETIC
        | WasmFeatures::CUSTOM_PAGE_SIZES
        | WasmFeatures::LEGACY_EXCEPTIONS;
    Validator::new_with_features(features).validate_all(wasm).is_err()
}

fn ended(outcome: Result<Vec<u128>, Error>) -> Result<Ended, String> {
    match outcome {
        Ok(results) => Ok(Ended::Returned(results)),
        Err(Error::Trap(trap)) => Ok(Ended::Trapped(trap.code)),
        Err(error) => Err(error.to_string()),
    }
}

fn expect_results(ended: Ended, is_expected: impl Fn(&[u128]) -> bool, wanted: &str) -> CommandResult {
    match ended {
        Ended::Returned(found) => check(is_expected(&found), || {
            format!("returned {}, not {wanted}", values::words(&found))
        }),
        Ended::Trapped(code) => Err(format!("trapped: {}", code.message())),
    }
}

fn expect_trap(ended: Ended, message: &str, is_expected: impl Fn(TrapCode) -> bool) -> CommandResult {
    match ended {
        Ended::Returned(results) => Err(format!("returned {}, not {message}", values::words(&results))),
        Ended::Trapped(code) => check(is_expected(code), || {
            format!("trapped: {}, not {message}", code.message())
        }),
    }
}

fn check(condition: bool, message: impl Fn() -> String) -> CommandResult {
    if condition { Ok(()) } else { Err(message()) }
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}
