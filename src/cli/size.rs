//! Sizes as users write them: `64K`, `256M`, `2G`, also `256MiB`; always powers of 1024.

/// Parses a size in bytes.
///
/// # Errors
/// A message that says what is wrong.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let digits_end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    let number: u64 = digits
        .parse()
        .map_err(|_| format!("`{text}` is no size; examples: 64K, 256M, 2G"))?;
    let shift = match unit.to_ascii_lowercase().trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(format!("unknown unit `{unit}`; known are K, M, G, T")),
    };
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| format!("`{text}` is too large"))
}

/// Parses the size of a machine's RAM: a multiple of 1 MiB, with a unit, as bare numbers mean bytes to some and MiB to others.
///
/// # Errors
/// A message that says what is wrong.
pub fn parse_memory_size(text: &str) -> Result<u64, String> {
    const MIB: u64 = 1 << 20;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("a unit is missing; did you mean {text}M?"));
    }
    match parse_size(text)? {
        0 => Err("a machine without memory runs nothing".to_owned()),
        size_bytes if !size_bytes.is_multiple_of(MIB) => Err("must be a multiple of 1M".to_owned()),
        size_bytes => Ok(size_bytes),
    }
}

/// Writes a size with three digits at least and the unit that suits it.
pub fn format_size(size_bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut size = size_bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = next;
    }
    if unit == "B" {
        format!("{size_bytes} B")
    } else {
        format!("{size:.1} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_powers_of_1024() {
        assert_eq!(parse_size("10"), Ok(10));
        assert_eq!(parse_size("64K"), Ok(65536));
        assert_eq!(parse_size("256MiB"), Ok(256 << 20));
        assert_eq!(parse_size("2gb"), Ok(2 << 30));
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        for text in ["", "M", "-1M", "1X", "1.5G", "99999999999T"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
        assert_eq!(
            parse_memory_size("256").unwrap_err(),
            "a unit is missing; did you mean 256M?"
        );
        assert!(parse_memory_size("100K").is_err());
        assert!(parse_memory_size("0M").is_err());
    }

    #[test]
    fn sizes_are_readable() {
        assert_eq!(format_size(1023), "1023 B");
        assert_eq!(format_size(1536), "1.5 KiB");
        assert_eq!(format_size(200 << 20), "200.0 MiB");
    }
}
