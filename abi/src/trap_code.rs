//! The reasons for which a Wasm program traps, their numbers in the trap table, and the words users read.

macro_rules! trap_codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $message:literal;)*) => {
        /// Why a program trapped.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum TrapCode {
            $($(#[$doc])* $name = $number,)*
        }

        impl TrapCode {
            /// All codes.
            pub const ALL: &'static [TrapCode] = &[$(TrapCode::$name,)*];

            /// Returns the code of that number.
            pub const fn from_number(number: u8) -> Option<TrapCode> {
                match number {
                    $($number => Some(TrapCode::$name),)*
                    _ => None,
                }
            }

            /// Returns what happened, without the `wasm trap: ` that goes before it.
            pub const fn message(self) -> &'static str {
                match self {
                    $(TrapCode::$name => $message,)*
                }
            }
        }
    };
}

trap_codes! {
    /// `unreachable` was executed.
    Unreachable = 1, "wasm `unreachable` instruction executed";
    /// An access or bulk operation left linear memory (or a data segment).
    MemoryOutOfBounds = 2, "out of bounds memory access";
    /// An access left a table (or an element segment).
    TableOutOfBounds = 3, "undefined element: out of bounds table access";
    /// `call_indirect` found null.
    IndirectCallToNull = 4, "uninitialized element";
    /// `call_indirect` found a function of another type.
    BadSignature = 5, "indirect call type mismatch";
    /// An integer division overflowed, or a float is too large for the integer type.
    IntegerOverflow = 6, "integer overflow";
    /// An integer was divided by zero.
    IntegerDivideByZero = 7, "integer divide by zero";
    /// NaN was converted to an integer.
    BadConversionToInteger = 8, "invalid conversion to integer";
    /// The stack ended.
    StackOverflow = 9, "call stack exhausted";
    /// A reference was null where it must not be.
    NullReference = 10, "null reference";
    /// An atomic access was not aligned.
    UnalignedAtomic = 11, "unaligned atomic";
    /// An access left a garbage-collected array.
    ArrayOutOfBounds = 12, "out of bounds array access";
    /// A reference cast failed.
    CastFailure = 13, "cast failure";
    /// An exception reached the outermost frame.
    UncaughtException = 14, "uncaught exception";
    /// `memory.atomic.wait` on a memory that is not shared.
    AtomicWaitUnshared = 15, "atomic wait on unshared memory";
    /// A function that stands in for an import which nothing defines was called.
    UndefinedImport = 16, "call of an import that nothing defines";
    /// An allocation of the program's cannot be served.
    AllocationTooLarge = 17, "allocation size too large";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip() {
        for &code in TrapCode::ALL {
            assert_eq!(TrapCode::from_number(code as u8), Some(code));
        }
        assert_eq!(TrapCode::from_number(0), None);
    }
}
