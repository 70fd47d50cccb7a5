$ wasm2obj absent.wasm
status 2
