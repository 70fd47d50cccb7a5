$ wasm2obj no_wasm.txt
status 2
