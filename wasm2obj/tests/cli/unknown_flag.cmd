$ wasm2obj add.wat --optimise
status 2
