;; wasm2obj --emit clif --bounds-checks explicit
(module
  (memory 1)
  (func (export "load") (param i32) (result i32)
    local.get 0
    i32.load offset=16))

;; ;; function 0 load, body at 0x27
;; function u0:0(i32) -> i32 tail {
;;     gv0 = symbol colocated userextname0          ;; memory 0
;;
;;                                 block0(v0: i32):
;;                                     ;; i32.load
;; @002a                               v1 = uextend.i64 v0
;; @002a                               v2 = iconst.i64 20
;; @002a                               v3 = iadd v1, v2  ; v2 = 20
;; @002a                               v4 = symbol_value.i64 gv0
;; @002a                               v5 = load.i64 notrap aligned little v4+8
;; @002a                               v6 = icmp ugt v3, v5
;; @002a                               trapnz v6, user2                             ;; traps: out of bounds memory access
;; @002a                               v7 = load.i32 notrap little v1+16
;;                                     ;; end
;; @002d                               return v7
;; }
;;
