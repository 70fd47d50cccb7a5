//! Switching the machine off, where nothing better ends it.

use crate::arch::port_io::Port;

/// Powers off, or resets. Returns if the machine does neither.
pub fn off() {
    const SLEEP_S5: u16 = 0x2000;
    Port::ACPI_CONTROL.write_u16(SLEEP_S5);
    const RESET: [u8; 2] = [0x02, 0x06];
    for step in RESET {
        Port::RESET_CONTROL.write_u8(step);
    }
    const PULSE_RESET_LINE: u8 = 0xfe;
    Port::KEYBOARD_COMMAND.write_u8(PULSE_RESET_LINE);
}
