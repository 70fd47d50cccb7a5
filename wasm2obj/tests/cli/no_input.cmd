$ wasm2obj 
status 2
