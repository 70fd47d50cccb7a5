//! Compile time of wasm2obj and of Wasmtime for modules of moderate size, by criterion, which remembers earlier runs and tells what a
//! change has done. Both sides spread functions over rayon's global pool (`RAYON_NUM_THREADS`) and compile for this machine's CPU.
//!
//! What is timed is bytes to bytes: validation, translation, code generation and the ELF file in memory. Large modules, and memory,
//! are the matter of the command `compile_time`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::fs;
use std::time::Duration;
use wasm2obj::{CompileOptions, Cpu};

const ELF_MAGIC: &[u8] = b"\x7fELF";

/// Programs of sightglass, from 50 KB to 1 MB.
const PROGRAMS: [&str; 4] = ["bz2", "pulldown-cmark", "regex", "sqlite3"];

/// Samples of one measurement; the larger modules take a second each.
const SAMPLES: usize = 10;
const MEASUREMENT_TIME: Duration = Duration::from_secs(8);

fn compile_time(criterion: &mut Criterion) {
    let Some(programs) = fixtures::sightglass() else {
        return fixtures::skip("compile time", "there is no ../shared/sightglass");
    };
    let options = CompileOptions {
        cpu: Cpu::Native,
        ..CompileOptions::default()
    };
    let engine = wasmtime::Engine::default();
    for program in programs {
        if !PROGRAMS.contains(&program.name.as_str()) {
            continue;
        }
        let module = fs::read(&program.wasm).expect("the suite is readable");
        let mut group = criterion.benchmark_group(&program.name);
        group.sample_size(SAMPLES).measurement_time(MEASUREMENT_TIME);
        group.throughput(Throughput::Bytes(module.len() as u64));
        group.bench_function("wasm2obj", |bencher| {
            bencher.iter(|| {
                let object = wasm2obj::compile(&module, &options).expect("the module compiles");
                assert!(object.bytes.starts_with(ELF_MAGIC));
            });
        });
        group.bench_function("wasmtime", |bencher| {
            bencher.iter(|| {
                let object = engine.precompile_module(&module).expect("the module compiles");
                assert!(object.starts_with(ELF_MAGIC));
            });
        });
        group.finish();
    }
}

criterion_group!(benches, compile_time);
criterion_main!(benches);
