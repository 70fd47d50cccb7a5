;; wasm2obj --emit clif
(module
  (memory i64 1)
  (func (export "load") (param i64) (result i64)
    local.get 0
    i64.load offset=8))

;; ;; function 0 load, body at 0x27
;; function u0:0(i64) -> i64 tail {
;;     gv0 = symbol colocated userextname0          ;; memory 0
;;
;;                                 block0(v0: i64):
;;                                     ;; i64.load
;; @002a                               v2 = iconst.i64 16
;; @002a                               v3 = uadd_overflow_trap v0, v2, user2  ; v2 = 16 ;; traps: out of bounds memory access
;; @002a                               v4 = symbol_value.i64 gv0
;; @002a                               v5 = load.i64 notrap aligned little v4+8
;; @002a                               v6 = icmp ugt v3, v5
;; @002a                               trapnz v6, user2                             ;; traps: out of bounds memory access
;; @002a                               v7 = load.i64 notrap little v0+8
;;                                     ;; end
;; @002d                               jump block1(v7)
;;
;;                                 block1(v1: i64):
;; @002d                               return v1
;; }
;;
