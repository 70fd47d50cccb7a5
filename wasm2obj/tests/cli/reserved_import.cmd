$ wasm2obj reserved_import.wat
status 2
