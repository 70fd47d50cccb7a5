;; wasm2obj --emit clif
(module
  (memory 1)
  (func (export "load") (param i32) (result i32)
    local.get 0
    i32.load offset=16))

;; ;; function 0 load, body at 0x27
;; function u0:0(i32) -> i32 tail {
;;                                 block0(v0: i32):
;;                                     ;; i32.load
;; @002a                               v1 = uextend.i64 v0
;; @002a                               v2 = load.i32 user2 little v1+16             ;; traps: out of bounds memory access
;;                                     ;; end
;; @002d                               return v2
;; }
;;
