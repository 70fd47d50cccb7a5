$ wasm2obj add.wat --cpu pentium
status 2
