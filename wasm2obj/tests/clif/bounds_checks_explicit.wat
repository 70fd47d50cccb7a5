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
;; @002a                               v2 = uextend.i64 v0
;; @002a                               v3 = iconst.i64 20
;; @002a                               v4 = iadd v2, v3  ; v3 = 20
;; @002a                               v5 = symbol_value.i64 gv0
;; @002a                               v6 = load.i64 notrap aligned little v5+8
;; @002a                               v7 = icmp ugt v4, v6
;; @002a                               trapnz v7, user2                             ;; traps: out of bounds memory access
;; @002a                               v8 = load.i32 notrap little v2+16
;;                                     ;; end
;; @002d                               jump block1(v8)
;;
;;                                 block1(v1: i32):
;; @002d                               return v1
;; }
;;
