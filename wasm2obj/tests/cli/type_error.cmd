$ wasm2obj type_error.wat
status 2
