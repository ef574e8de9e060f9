// A replica of the part of Open vSwitch's database (ovs-vswitchd.conf.db(5)) that matters here, and
// transactions on it, over libopenvswitch's OVSDB IDL. Safe to include from C++; belongs to the thread that
// runs the poll loop.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct xpu_ovs_db;

// Connects to `remote` ("unix:/path" or another form of ovsdb(7)) and keeps reconnecting, with backoff.
struct xpu_ovs_db* xpu_ovs_db_open(const char* remote);
void xpu_ovs_db_close(struct xpu_ovs_db*);
// Takes in what has come; not while a transaction is being put together.
void xpu_ovs_db_run(struct xpu_ovs_db*);
// Arranges that the next xpu_ovs_block() returns when there is something to take in.
void xpu_ovs_db_wait(struct xpu_ovs_db*);
bool xpu_ovs_db_connected(const struct xpu_ovs_db*);
// Changes whenever the replica did.
unsigned int xpu_ovs_db_seqno(const struct xpu_ovs_db*);
// The number of the newest configuration that ovs-vswitchd has put into effect; -1 if it never has.
int64_t xpu_ovs_db_applied(const struct xpu_ovs_db*);

// A setting of the whole switch (other_config of table Open_vSwitch); null if it is not set. Valid until the
// next run.
const char* xpu_ovs_db_setting(const struct xpu_ovs_db*, const char* key);

struct xpu_ovs_bridge {
  // external_ids:xpu-owner, "" if it has none. Valid until the next run.
  const char* owner;
  const char* datapath_type;
  // Whether it forwards nothing while no controller is there.
  bool secure;
  // Whether its `protocols` let OpenFlow 1.4 in.
  bool openflow14;
  // Open vSwitch removes all flows, without telling, when the first controller comes or the last one goes.
  bool has_controller;
};
// False if there is no bridge of that name.
bool xpu_ovs_db_bridge(const struct xpu_ovs_db*, const char* name, struct xpu_ovs_bridge*);

// A setting of an interface.
struct xpu_ovs_option {
  const char* key;
  const char* value;
};

struct xpu_ovs_port {
  const char* name;
  // OpenFlow port number; 0 if it has none yet, -1 if it could not be opened.
  int64_t ofport;
  // OpenFlow port number that was asked for; 0 if none was.
  int64_t requested;
  const char* error;
  const char* type;
  // In no order.
  const struct xpu_ovs_option* options;
  size_t n_options;
};
// Calls `each` for every port of `bridge` that `owner` owns; what it is given is valid during the call.
void xpu_ovs_db_ports(const struct xpu_ovs_db*, const char* bridge, const char* owner,
                      void (*each)(void* context, const struct xpu_ovs_port*), void* context);

// A transaction: begin, change, commit until it is no longer XPU_OVS_TXN_PENDING (running the database in
// between), end.
struct xpu_ovs_txn;
struct xpu_ovs_txn* xpu_ovs_txn_begin(struct xpu_ovs_db*);
// Frees it; what is not committed by then may or may not come to be.
void xpu_ovs_txn_end(struct xpu_ovs_txn*);

// Makes the bridge, or puts its settings right.
void xpu_ovs_txn_put_bridge(struct xpu_ovs_txn*, const char* bridge, const char* owner,
                            const char* datapath_type);
// Sets a setting of the whole switch.
void xpu_ovs_txn_put_setting(struct xpu_ovs_txn*, const char* key, const char* value);
enum xpu_ovs_port_change {
  XPU_OVS_PORT_OK,
  // The bridge is not there.
  XPU_OVS_PORT_NO_BRIDGE,
  // The name is in use by a port that `owner` does not own or that is on another bridge; nothing was done.
  XPU_OVS_PORT_TAKEN,
};
// Makes the port `name`, or puts its settings right. `requested` is the number to ask for, 0 for any; what
// the switch says (ofport, error) is not looked at.
enum xpu_ovs_port_change xpu_ovs_txn_put_port(struct xpu_ovs_txn*, const char* bridge, const char* owner,
                                              const struct xpu_ovs_port*);
// Does nothing if `owner` has no such port on the bridge.
void xpu_ovs_txn_delete_port(struct xpu_ovs_txn*, const char* bridge, const char* owner, const char* name);
// Whether there is anything to commit.
bool xpu_ovs_txn_dirty(const struct xpu_ovs_txn*);

enum xpu_ovs_txn_state {
  XPU_OVS_TXN_PENDING,
  XPU_OVS_TXN_DONE,
  // Someone else changed the same rows, or the connection is lost: begin anew when the replica has changed.
  XPU_OVS_TXN_AGAIN,
  XPU_OVS_TXN_FAILED,
};
enum xpu_ovs_txn_state xpu_ovs_txn_commit(struct xpu_ovs_txn*);
// Arranges that the next xpu_ovs_block() returns when the state has changed.
void xpu_ovs_txn_wait(const struct xpu_ovs_txn*);
// Why it failed; valid until the end.
const char* xpu_ovs_txn_error(const struct xpu_ovs_txn*);
// Once done: the number of the configuration it made (compare with xpu_ovs_db_applied()), 0 if it made none.
int64_t xpu_ovs_txn_number(const struct xpu_ovs_txn*);

#ifdef __cplusplus
}
#endif
