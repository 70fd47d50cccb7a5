//! Compiled functions as text for people: Cranelift IR and machine code, with the module's own notions beside them.
//!
//! Cranelift knows symbols by numbers (`u5:0`); here each is followed by what it stands for (`memory 0`), and the Wasm instruction
//! that code comes from stands above it. The number after `@` is that instruction's offset in the module's file.

use crate::module::{FuncIndex, Module};
use crate::translate::{Symbol, trap_code};
use abi::trap_code::TrapCode;
use cranelift_codegen::ir::entities::AnyEntity;
use cranelift_codegen::ir::{Block, ExternalName, Function, GlobalValueData, Inst, Value};
use cranelift_codegen::write::{FuncWriter, PlainWriter, decorate_function};
use cranelift_entity::SecondaryMap;
use std::collections::HashMap;
use std::fmt::{self, Write};
use wasmparser::{FunctionBody, Operator};

/// Columns before an annotation on the right.
const ANNOTATION_COLUMN: usize = 48;

/// Columns before the name of a trap.
const TRAP_COLUMN: usize = 80;

/// Returns the Cranelift IR of a function of the module.
pub(super) fn clif(module: &Module<'_>, index: FuncIndex, function: &Function) -> String {
    let mut text = heading(module, index);
    let operators = body_of(module, index).map(operator_names).unwrap_or_default();
    let mut writer = Annotator {
        module,
        operators,
        shown: None,
    };
    decorate_function(&mut writer, &mut text, function).expect("writing to a string does not fail");
    text.push('\n');
    text
}

/// Returns the machine code of a function of the module, given Cranelift's text of it.
pub(super) fn assembly(module: &Module<'_>, index: FuncIndex, function: &Function, code: &str) -> String {
    let mut text = heading(module, index);
    text.push_str(code);
    // The last one first: `userextname1` is the beginning of `userextname10`.
    for (reference, name) in function.params.user_named_funcs().iter().rev() {
        let description = format!("[{}]", describe(module, Symbol::from_external_name(name)));
        text = text.replace(&format!("User({reference})"), &description);
        text = text.replace(&reference.to_string(), &description);
    }
    for &code in TrapCode::ALL.iter().rev() {
        text = text.replace(
            &format!("trap={}", trap_code(code)),
            &format!("trap: {}", code.message()),
        );
    }
    text.push('\n');
    text
}

fn heading(module: &Module<'_>, index: FuncIndex) -> String {
    let place = body_of(module, index).map_or(0, |body| body.range().start);
    format!(";; {}, body at {place:#x}\n", describe(module, Symbol::Function(index)))
}

fn body_of<'m>(module: &'m Module<'_>, index: FuncIndex) -> Option<&'m FunctionBody<'m>> {
    let body = module.defined_function(index)?;
    Some(&module.bodies[body])
}

/// Returns what a symbol stands for.
fn describe(module: &Module<'_>, symbol: Symbol) -> String {
    let function = |index: FuncIndex| {
        format!("{} {}", index.as_u32(), module.names.function(index))
            .trim_end()
            .to_owned()
    };
    match symbol {
        Symbol::Function(index) => format!("function {}", function(index)),
        Symbol::ImportedFunction(index) => format!("imported function {}", function(index)),
        Symbol::ImportThunk(index) => format!("entry of imported function {}", function(index)),
        Symbol::FuncRef(index) => format!("reference to function {}", function(index)),
        Symbol::Global(index) => format!("global {}", index.as_u32()),
        Symbol::Memory(index) => format!("memory {}", index.as_u32()),
        Symbol::Table(index) => format!("table {}", index.as_u32()),
        Symbol::TableElements(index) => format!("elements of table {}", index.as_u32()),
        Symbol::TableCode(index) => format!("code addresses of table {}", index.as_u32()),
        Symbol::TableTypes(index) => format!("type numbers of table {}", index.as_u32()),
        Symbol::DataSegment(index) => format!("data segment {}", index.as_u32()),
        Symbol::DataBytes(index) => format!("bytes of data segment {}", index.as_u32()),
        Symbol::ElemSegment(index) => format!("element segment {}", index.as_u32()),
        Symbol::ElemElements(index) => format!("elements of element segment {}", index.as_u32()),
        Symbol::Tag(index) => format!("tag {}", index.as_u32()),
        Symbol::NullCallee(_) => "callee of null".to_owned(),
        Symbol::Builtin(builtin) => builtin.symbol().to_owned(),
    }
}

struct Annotator<'a> {
    module: &'a Module<'a>,
    /// Name of the Wasm instruction at each offset.
    operators: HashMap<u32, String>,
    /// Offset of the instruction that was shown last.
    shown: Option<u32>,
}

impl Annotator<'_> {
    fn symbol_of(&self, function: &Function, entity: AnyEntity) -> Option<Symbol> {
        let name = match entity {
            AnyEntity::FuncRef(callee) => &function.dfg.ext_funcs[callee].name,
            AnyEntity::GlobalValue(value) => match &function.global_values[value] {
                GlobalValueData::Symbol { name, .. } => name,
                _ => return None,
            },
            _ => return None,
        };
        let ExternalName::User(reference) = name else {
            return None;
        };
        Some(Symbol::from_external_name(
            &function.params.user_named_funcs()[*reference],
        ))
    }
}

impl FuncWriter for Annotator<'_> {
    fn write_block_header(
        &mut self,
        w: &mut dyn Write,
        function: &Function,
        block: Block,
        indent: usize,
    ) -> fmt::Result {
        PlainWriter.write_block_header(w, function, block, indent)
    }

    fn write_instruction(
        &mut self,
        w: &mut dyn Write,
        function: &Function,
        aliases: &SecondaryMap<Value, Vec<Value>>,
        inst: Inst,
        indent: usize,
    ) -> fmt::Result {
        let offset = function.srcloc(inst).bits();
        if self.shown != Some(offset)
            && let Some(operator) = self.operators.get(&offset)
        {
            writeln!(w, "{:indent$};; {operator}", "")?;
            self.shown = Some(offset);
        }
        let mut line = String::new();
        PlainWriter.write_instruction(&mut line, function, aliases, inst, indent)?;
        match trap_of(function, inst) {
            Some(trap) => writeln!(w, "{:TRAP_COLUMN$} ;; traps: {}", line.trim_end(), trap.message()),
            None => w.write_str(&line),
        }
    }

    fn write_entity_definition(
        &mut self,
        w: &mut dyn Write,
        function: &Function,
        entity: AnyEntity,
        value: &dyn fmt::Display,
    ) -> fmt::Result {
        let line = format!("    {entity} = {value}");
        match self.symbol_of(function, entity) {
            Some(symbol) => writeln!(w, "{line:ANNOTATION_COLUMN$} ;; {}", describe(self.module, symbol)),
            None => writeln!(w, "{line}"),
        }
    }
}

/// Returns the trap that an instruction may end in.
fn trap_of(function: &Function, inst: Inst) -> Option<TrapCode> {
    let data = &function.dfg.insts[inst];
    let memory_trap = || function.dfg.mem_flags[data.memflags()?].trap_code();
    let code = data.trap_code().or_else(memory_trap)?;
    TrapCode::ALL.iter().copied().find(|&ours| trap_code(ours) == code)
}

fn operator_names(body: &FunctionBody<'_>) -> HashMap<u32, String> {
    let Ok(mut reader) = body.get_operators_reader() else {
        return HashMap::new();
    };
    let mut names = HashMap::new();
    while let Ok((operator, offset)) = reader.read_with_offset() {
        names.insert(offset as u32, operator_name(&operator));
    }
    names
}

macro_rules! define_visitor_name {
    ($( @$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*) )*) => {
        /// Returns the name of the operator's visitor method, such as `visit_i32_add`.
        fn visitor_name(operator: &Operator<'_>) -> &'static str {
            match operator {
                $(Operator::$op { .. } => stringify!($visit),)*
                _ => "visit_unknown",
            }
        }
    };
}
wasmparser::for_each_operator!(define_visitor_name);

/// Returns an operator's name as the text format spells it.
fn operator_name(operator: &Operator<'_>) -> String {
    /// What comes before a dot.
    const PREFIXES: [&str; 20] = [
        "i32", "i64", "f32", "f64", "v128", "i8x16", "i16x8", "i32x4", "i64x2", "f32x4", "f64x2", "local", "global",
        "memory", "table", "ref", "data", "elem", "struct", "array",
    ];
    let name = visitor_name(operator).trim_start_matches("visit_");
    match name.split_once('_') {
        Some((prefix, rest)) if PREFIXES.contains(&prefix) => {
            format!("{prefix}.{}", rest.replacen("atomic_", "atomic.", 1))
        }
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_named_as_in_the_text_format() {
        assert_eq!(operator_name(&Operator::I32Add), "i32.add");
        assert_eq!(
            operator_name(&Operator::I8x16ExtractLaneS { lane: 1 }),
            "i8x16.extract_lane_s"
        );
        assert_eq!(operator_name(&Operator::LocalGet { local_index: 0 }), "local.get");
        assert_eq!(
            operator_name(&Operator::ReturnCall { function_index: 0 }),
            "return_call"
        );
        assert_eq!(operator_name(&Operator::BrIf { relative_depth: 0 }), "br_if");
    }
}
