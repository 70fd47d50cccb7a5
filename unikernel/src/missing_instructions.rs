//! What compiled code calls instead of instructions that its CPU need not have (`--cpu baseline`): rounding, which came with
//! SSE4.1, and `pshufb`, which came with SSSE3.
//!
//! The kernel and `host` share it. The names are the C library's and Cranelift's. A C library may return a signalling NaN as it
//! is; WebAssembly wants a quiet one.

use core::arch::x86_64::__m128i;
use core::mem::transmute;

/// From here on, numbers have no fraction.
const NO_FRACTION: f64 = (1u64 << 52) as f64;
/// The bit that makes a NaN a quiet one.
const QUIET: u64 = 1 << 51;

/// Rounds by `round`, which sees only numbers that may have a fraction and need not care for the sign of zero.
fn round(x: f64, round: impl Fn(f64) -> f64) -> f64 {
    if x.is_nan() {
        f64::from_bits(x.to_bits() | QUIET)
    } else if x.abs() < NO_FRACTION {
        round(x).copysign(x)
    } else {
        x
    }
}

/// Truncates a number whose integer part fits.
fn integer_part(x: f64) -> f64 {
    x as i64 as f64
}

fn up(x: f64) -> f64 {
    let truncated = integer_part(x);
    if truncated < x { truncated + 1.0 } else { truncated }
}

fn down(x: f64) -> f64 {
    let truncated = integer_part(x);
    if truncated > x { truncated - 1.0 } else { truncated }
}

/// Rounds to the nearest, ties to even: the sum has no room for a fraction.
fn nearest(x: f64) -> f64 {
    (x.abs() + NO_FRACTION) - NO_FRACTION
}

/// Defines functions for both widths: a number of 32 bits is one of 64 bits, rounded or not.
macro_rules! rounding_functions {
    ($($symbol:ident $symbol_32:ident: $round:ident, $what:literal;)*) => {$(
        #[doc = $what]
        #[cfg_attr(feature = "kernel", unsafe(no_mangle))]
        pub extern "C" fn $symbol(x: f64) -> f64 {
            round(x, $round)
        }

        #[doc = $what]
        #[cfg_attr(feature = "kernel", unsafe(no_mangle))]
        pub extern "C" fn $symbol_32(x: f32) -> f32 {
            round(f64::from(x), $round) as f32
        }
    )*};
}

rounding_functions! {
    ceil ceilf: up, "Rounds up.";
    floor floorf: down, "Rounds down.";
    trunc truncf: integer_part, "Rounds towards zero.";
    rint rintf: nearest, "Rounds to the nearest, ties to even.";
}

/// Selects bytes of `values` by the low four bits of each index; an index with its high bit set selects zero.
#[allow(
    improper_ctypes_definitions,
    reason = "Cranelift passes vectors in `xmm` registers, as this does"
)]
#[cfg_attr(feature = "kernel", unsafe(export_name = "__cranelift_x86_pshufb"))]
pub extern "C" fn pshufb(values: __m128i, indices: __m128i) -> __m128i {
    // SAFETY: both types are 16 bytes, of which every pattern is a value.
    let (values, indices) = unsafe {
        (
            transmute::<__m128i, [u8; 16]>(values),
            transmute::<__m128i, [u8; 16]>(indices),
        )
    };
    let select = |index: u8| {
        if index < 0x80 {
            values[usize::from(index & 15)]
        } else {
            0
        }
    };
    // SAFETY: as above.
    unsafe { transmute::<[u8; 16], __m128i>(indices.map(select)) }
}
