//! The suite's words for traps, against our trap codes.

use abi::trap_code::TrapCode;

/// Tells whether a trap is the one that a script expects. The suite's convention: the message given is the beginning of the
/// interpreter's, or goes on after it with details such as an index.
pub fn is_expected(code: TrapCode, message: &str) -> bool {
    suite_messages(code)
        .iter()
        .any(|known| message.starts_with(known) || known.starts_with(message))
}

fn suite_messages(code: TrapCode) -> &'static [&'static str] {
    match code {
        TrapCode::Unreachable => &["unreachable"],
        TrapCode::MemoryOutOfBounds => &["out of bounds memory access"],
        TrapCode::TableOutOfBounds => &["out of bounds table access", "undefined element"],
        TrapCode::IndirectCallToNull => &["uninitialized element"],
        TrapCode::BadSignature => &["indirect call type mismatch"],
        TrapCode::IntegerOverflow => &["integer overflow"],
        TrapCode::IntegerDivideByZero => &["integer divide by zero"],
        TrapCode::BadConversionToInteger => &["invalid conversion to integer"],
        TrapCode::StackOverflow => &["call stack exhausted"],
        TrapCode::NullReference => &[
            "null reference",
            "null function reference",
            "null array reference",
            "null structure reference",
            "null i31 reference",
            "null exception reference",
        ],
        TrapCode::UnalignedAtomic => &["unaligned atomic"],
        TrapCode::ArrayOutOfBounds => &["out of bounds array access"],
        TrapCode::CastFailure => &["cast failure"],
        TrapCode::UncaughtException => &["uncaught exception"],
        TrapCode::AtomicWaitUnshared => &["expected shared memory"],
        TrapCode::UndefinedImport => &["unknown import"],
        TrapCode::AllocationTooLarge => &["allocation size too large"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_after_the_message_are_no_difference() {
        assert!(is_expected(TrapCode::IndirectCallToNull, "uninitialized element 2"));
        assert!(is_expected(TrapCode::IndirectCallToNull, "uninitialized"));
        assert!(!is_expected(TrapCode::IndirectCallToNull, "undefined element"));
    }
}
