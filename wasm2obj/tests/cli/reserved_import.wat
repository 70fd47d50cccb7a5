(module (import "wasmetal" "memory_grow" (func)))
