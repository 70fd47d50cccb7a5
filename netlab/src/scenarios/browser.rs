//! A browser at the file server: Chromium loads a page with many images and tells how wide it found each of them.

use super::Length;
use crate::guest::Image;
use crate::lab::{Lab, STATIC_ADDRESS, run};
use anyhow::{Result, ensure};
use std::fmt::Write;
use std::fs;
use std::time::Instant;
use tempfile::tempdir;

/// The height of every image.
const HEIGHT: u32 = 50;

pub(super) fn browser(length: Length) -> Result<String> {
    let count = length.choose(30, 200);
    let folder = tempdir()?;
    let mut page = "<!doctype html><title>images</title><link rel=stylesheet href=style.css>".to_owned();
    let mut widths = Vec::new();
    for number in 0..count {
        let width = 100 + number * 2;
        fs::write(folder.path().join(format!("{number}.bmp")), bitmap(width))?;
        write!(page, "<img src={number}.bmp>")?;
        widths.push(width.to_string());
    }
    let vector =
        "<svg xmlns='http://www.w3.org/2000/svg' width='77' height='50'><circle cx='25' cy='25' r='20'/></svg>";
    fs::write(folder.path().join("circle.svg"), vector)?;
    widths.push("77".to_owned());
    page += "<img src=circle.svg><p id=told></p><script src=tell.js></script>";
    let script = "onload = () => told.textContent = 'widths ' + [...document.images].map(i => i.naturalWidth).join() + \
         ' order ' + getComputedStyle(told).order;";
    fs::write(folder.path().join("tell.js"), script)?;
    fs::write(folder.path().join("style.css"), "#told { order: 5 }")?;
    fs::write(folder.path().join("index.html"), page)?;

    let lab = Lab::enter()?;
    let image = Image::of_example("c/file_server", &["/www", "80"], Some(&folder))?;
    let guest = lab.boot(&image, STATIC_ADDRESS)?;
    guest.wait_for("listening")?;
    let profile = tempdir()?;
    let began = Instant::now();
    let document = run(&format!(
        "timeout 120 chromium --headless --no-sandbox --disable-gpu --user-data-dir={} --dump-dom http://10.0.0.2/",
        profile.path().display()
    ))?;
    let expected = format!("widths {} order 5", widths.join(","));
    ensure!(
        document.contains(&expected),
        "the page does not tell `{expected}`: {document}"
    );
    Ok(format!(
        "Chromium has decoded all {} images of a page, run its script and applied its style, in {} ms with its own start",
        widths.len(),
        began.elapsed().as_millis()
    ))
}

/// Returns a bitmap of random-looking pixels: two headers and three bytes for each pixel, a row being a multiple of four bytes.
fn bitmap(width: u32) -> Vec<u8> {
    const HEADERS_LEN_BYTES: u32 = 54;
    let row_len_bytes = (width * 3).next_multiple_of(4);
    let pixels_len_bytes = row_len_bytes * HEIGHT;
    let mut bytes = b"BM".to_vec();
    for word in [
        HEADERS_LEN_BYTES + pixels_len_bytes,
        0,
        HEADERS_LEN_BYTES,
        40,
        width,
        HEIGHT,
    ] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    // One plane of 24 bits, not compressed; the resolution and the palette are not said.
    for word in [1 | 24 << 16, 0, pixels_len_bytes, 0, 0, 0, 0] {
        bytes.extend_from_slice(&u32::to_le_bytes(word));
    }
    bytes.extend((0..pixels_len_bytes).map(|place| (place.wrapping_mul(0x9e37_79b9) >> 24) as u8));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bitmap_is_as_long_as_it_says() {
        let bytes = bitmap(101);
        assert_eq!(bytes.len(), 54 + 304 * 50);
        assert_eq!(bytes[2..6], (bytes.len() as u32).to_le_bytes());
    }
}
