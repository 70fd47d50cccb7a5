$ wasm2obj component.wat
status 2
