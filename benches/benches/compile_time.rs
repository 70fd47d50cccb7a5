//! Compile time of wasm2obj against Wasmtime's, on the same modules, with the same Cranelift generation, optimisation level and
//! number of threads: both spread functions over rayon's global pool (`RAYON_NUM_THREADS` sets its size for both).
//!
//! Both are given the CPU of the machine. What is timed is bytes to bytes: validation, translation, code generation and the
//! ELF file in memory.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::time::Duration;
use wasm2obj::{CompileOptions, Cpu};

const ELF_MAGIC: &[u8] = b"\x7fELF";

/// Samples of one measurement; the large modules take seconds each.
const SAMPLES: usize = 10;
const MEASUREMENT_TIME: Duration = Duration::from_secs(8);

fn compile_time(criterion: &mut Criterion) {
    let Some(workloads) = benches::compile_workloads() else {
        return fixtures::skip("compile time", "there is no ../shared/sightglass");
    };
    println!("threads: {}", rayon::current_num_threads());
    let options = CompileOptions {
        cpu: Cpu::Native,
        ..CompileOptions::default()
    };
    let engine = wasmtime::Engine::default();
    let mut group = criterion.benchmark_group("compile_time");
    group.sample_size(SAMPLES).measurement_time(MEASUREMENT_TIME);
    for workload in workloads {
        group.throughput(Throughput::Bytes(workload.len_bytes()));
        group.bench_function(BenchmarkId::new("wasm2obj", workload.name), |bencher| {
            bencher.iter(|| {
                for module in &workload.modules {
                    let object = wasm2obj::compile(module, &options).expect("the module compiles");
                    assert!(object.bytes.starts_with(ELF_MAGIC));
                }
            });
        });
        group.bench_function(BenchmarkId::new("wasmtime", workload.name), |bencher| {
            bencher.iter(|| {
                for module in &workload.modules {
                    let object = engine.precompile_module(module).expect("the module compiles");
                    assert!(object.starts_with(ELF_MAGIC));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, compile_time);
criterion_main!(benches);
