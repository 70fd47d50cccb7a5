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
;; @002a                               v1 = iconst.i64 16
;; @002a                               v2 = uadd_overflow_trap v0, v1, user2  ; v1 = 16 ;; traps: out of bounds memory access
;; @002a                               v3 = symbol_value.i64 gv0
;; @002a                               v4 = load.i64 notrap aligned little v3+8
;; @002a                               v5 = icmp ugt v2, v4
;; @002a                               trapnz v5, user2                             ;; traps: out of bounds memory access
;; @002a                               v6 = load.i64 notrap little v0+8
;;                                     ;; end
;; @002d                               return v6
;; }
;;
