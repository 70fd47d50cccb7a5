$ wasm2obj unknown_wasi_function.wat
status 2
