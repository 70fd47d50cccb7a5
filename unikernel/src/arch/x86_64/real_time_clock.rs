//! The battery-backed clock in CMOS memory: the date, to the second. References: MC146818 data sheet.

use super::port_io::Port;

const STATUS_A: u8 = 0x0a;
const STATUS_B: u8 = 0x0b;
const UPDATE_IN_PROGRESS: u8 = 1 << 7;
const IS_BINARY: u8 = 1 << 2;
const IS_24_HOURS: u8 = 1 << 1;
const AFTERNOON: u8 = 1 << 7;
const CENTURY: u8 = 0x32;
const TRIES: u32 = 100_000;

/// Seconds, minutes, hours, day, month, year, century as the registers hold them.
type RawDate = [u8; 7];

/// Returns seconds since 1970, taking the clock as UTC; `None` if there is no clock.
pub fn read_seconds() -> Option<u64> {
    let mut previous = None;
    for _ in 0..TRIES {
        if read_register(STATUS_A) & UPDATE_IN_PROGRESS != 0 {
            continue;
        }
        let date: RawDate = [0x00, 0x02, 0x04, 0x07, 0x08, 0x09, CENTURY].map(read_register);
        if previous == Some(date) {
            return seconds_of(date, read_register(STATUS_B));
        }
        previous = Some(date);
    }
    None
}

fn read_register(index: u8) -> u8 {
    Port::REAL_TIME_CLOCK.write_u8(index);
    Port::REAL_TIME_CLOCK.offset(1).read_u8()
}

fn seconds_of(date: RawDate, status: u8) -> Option<u64> {
    let decode = |value: u8| {
        if status & IS_BINARY != 0 {
            value
        } else {
            (value >> 4) * 10 + (value & 15)
        }
    };
    let afternoon = status & IS_24_HOURS == 0 && date[2] & AFTERNOON != 0;
    let mut hours = decode(if status & IS_24_HOURS == 0 {
        date[2] & !AFTERNOON
    } else {
        date[2]
    });
    if status & IS_24_HOURS == 0 {
        hours = hours % 12 + if afternoon { 12 } else { 0 };
    }
    let [seconds, minutes, _, day, month, year, century] = date.map(decode);
    let century = if (19..=22).contains(&century) { century } else { 20 };
    if seconds > 60 || minutes > 59 || hours > 23 || !(1..=31).contains(&day) || !(1..=12).contains(&month) || year > 99
    {
        return None;
    }
    let days = days_since_1970(
        u64::from(century) * 100 + u64::from(year),
        u64::from(month),
        u64::from(day),
    )?;
    Some(days * 86_400 + u64::from(hours) * 3_600 + u64::from(minutes) * 60 + u64::from(seconds))
}

/// Counts days in the Gregorian calendar, with years that begin in March so that the leap day comes last.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    const DAYS_FROM_MARCH_OF_YEAR_0: u64 = 719_468;
    let (year, month_from_march) = if month > 2 {
        (year, month - 3)
    } else {
        (year.checked_sub(1)?, month + 9)
    };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    (365 * year + year / 4 - year / 100 + year / 400 + day_of_year).checked_sub(DAYS_FROM_MARCH_OF_YEAR_0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_become_seconds() {
        assert_eq!(seconds_of([0, 0, 0, 1, 1, 0x70, 0x19], IS_24_HOURS), Some(0));
        assert_eq!(
            seconds_of([56, 34, 12, 29, 2, 24, 20], IS_BINARY | IS_24_HOURS),
            Some(1_709_210_096)
        );
        assert_eq!(
            seconds_of([0x56, 0x34, 0x92, 0x29, 2, 0x24, 0x20], 0),
            Some(1_709_210_096)
        );
        assert_eq!(seconds_of([0xff; 7], IS_24_HOURS), None);
    }
}
