$ wasm2obj wrong_wasi_signature.wat
status 2
