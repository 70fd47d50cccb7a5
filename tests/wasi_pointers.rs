//! Every function that the kernel gives to programs, called in the guest with arbitrary arguments. None may stop the kernel or touch
//! what is not the memory that the pointers are about.
//!
//! With `WASMETAL_POINTER_ROUNDS=2000` it makes about a million calls; `-- --nocapture` shows the figures. `host` has the same test.

mod support;

use support::run_text;

#[test]
fn arbitrary_pointers_end_in_an_errno_and_touch_nothing_else() {
    fixtures::wild_calls::check(|program, bake| run_text(program, &["--bake", bake]).expect_code(0).stdout);
}
