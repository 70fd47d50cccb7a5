$ wasm2obj syntax_error.wat
status 2
