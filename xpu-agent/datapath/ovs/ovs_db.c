#include "xpu-agent/datapath/ovs/ovs_db.h"

#include <config.h>
#include <stdlib.h>
#include <string.h>

#include "ovsdb-idl.h"
#include "smap.h"
#include "util.h"
#include "vswitch-idl.h"

#define OWNER_KEY "xpu-owner"

struct xpu_ovs_db {
  struct ovsdb_idl* idl;
};

struct xpu_ovs_txn {
  struct ovsdb_idl* idl;
  struct ovsdb_idl_txn* txn;
  const struct ovsrec_open_vswitch* root;
  bool dirty;
  // The counter is raised by the commit, once.
  bool counted;
  // Committed, and it changed something.
  bool changed;
  char* error;
};

struct xpu_ovs_db* xpu_ovs_db_open(const char* remote) {
  // Only what is used: other columns, statistics above all, change every few seconds and would wake us.
  static const struct ovsdb_idl_column* const columns[] = {
      &ovsrec_open_vswitch_col_bridges,
      &ovsrec_open_vswitch_col_cur_cfg,
      &ovsrec_open_vswitch_col_next_cfg,
      &ovsrec_open_vswitch_col_other_config,
      &ovsrec_bridge_col_name,
      &ovsrec_bridge_col_ports,
      &ovsrec_bridge_col_external_ids,
      &ovsrec_bridge_col_datapath_type,
      &ovsrec_bridge_col_fail_mode,
      &ovsrec_bridge_col_protocols,
      &ovsrec_port_col_name,
      &ovsrec_port_col_interfaces,
      &ovsrec_port_col_external_ids,
      &ovsrec_interface_col_name,
      &ovsrec_interface_col_ofport,
      &ovsrec_interface_col_ofport_request,
      &ovsrec_interface_col_error,
      &ovsrec_interface_col_external_ids,
      &ovsrec_interface_col_type,
      &ovsrec_interface_col_options,
      &ovsrec_bridge_col_controller,
      &ovsrec_controller_col_target,
  };
  struct xpu_ovs_db* db = xzalloc(sizeof *db);
  db->idl = ovsdb_idl_create(remote, &ovsrec_idl_class, false, true);
  ovsdb_idl_set_leader_only(db->idl, false);
  if (!strncmp(remote, "unix:", 5)) {
    // A local peer that dies closes its socket; probing would only wake us.
    ovsdb_idl_set_probe_interval(db->idl, 0);
  }
  for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
    ovsdb_idl_add_column(db->idl, columns[i]);
  }
  return db;
}

void xpu_ovs_db_close(struct xpu_ovs_db* db) {
  ovsdb_idl_destroy(db->idl);
  free(db);
}

void xpu_ovs_db_run(struct xpu_ovs_db* db) { ovsdb_idl_run(db->idl); }

void xpu_ovs_db_wait(struct xpu_ovs_db* db) { ovsdb_idl_wait(db->idl); }

bool xpu_ovs_db_connected(const struct xpu_ovs_db* db) { return ovsdb_idl_is_connected(db->idl); }

unsigned int xpu_ovs_db_seqno(const struct xpu_ovs_db* db) { return ovsdb_idl_get_seqno(db->idl); }

int64_t xpu_ovs_db_applied(const struct xpu_ovs_db* db) {
  const struct ovsrec_open_vswitch* root = ovsrec_open_vswitch_first(db->idl);
  return root ? root->cur_cfg : -1;
}

const char* xpu_ovs_db_setting(const struct xpu_ovs_db* db, const char* key) {
  const struct ovsrec_open_vswitch* root = ovsrec_open_vswitch_first(db->idl);
  return root ? smap_get(&root->other_config, key) : NULL;
}

static const struct ovsrec_bridge* find_bridge(const struct ovsdb_idl* idl, const char* name) {
  const struct ovsrec_bridge* bridge;
  OVSREC_BRIDGE_FOR_EACH(bridge, idl) {
    if (!strcmp(bridge->name, name)) {
      return bridge;
    }
  }
  return NULL;
}

static const struct ovsrec_port* find_port(const struct ovsrec_bridge* bridge, const char* name) {
  for (size_t i = 0; i < bridge->n_ports; i++) {
    if (!strcmp(bridge->ports[i]->name, name)) {
      return bridge->ports[i];
    }
  }
  return NULL;
}

static bool has_owner(const struct smap* external_ids, const char* owner) {
  const char* value = smap_get(external_ids, OWNER_KEY);
  return value && !strcmp(value, owner);
}

static bool has_openflow14(const struct ovsrec_bridge* bridge) {
  // An empty set stands for the versions that Open vSwitch allows by default, 1.4 among them.
  for (size_t i = 0; i < bridge->n_protocols; i++) {
    if (!strcmp(bridge->protocols[i], "OpenFlow14")) {
      return true;
    }
  }
  return !bridge->n_protocols;
}

static bool is_secure(const struct ovsrec_bridge* bridge) {
  return bridge->fail_mode && !strcmp(bridge->fail_mode, "secure");
}

bool xpu_ovs_db_bridge(const struct xpu_ovs_db* db, const char* name, struct xpu_ovs_bridge* out) {
  const struct ovsrec_bridge* bridge = find_bridge(db->idl, name);
  if (!bridge) {
    return false;
  }
  out->owner = smap_get_def(&bridge->external_ids, OWNER_KEY, "");
  out->datapath_type = bridge->datapath_type;
  out->secure = is_secure(bridge);
  out->openflow14 = has_openflow14(bridge);
  out->has_controller = bridge->n_controller > 0;
  return true;
}

void xpu_ovs_db_ports(const struct xpu_ovs_db* db, const char* bridge_name, const char* owner,
                      void (*each)(void* context, const struct xpu_ovs_port*), void* context) {
  const struct ovsrec_bridge* bridge = find_bridge(db->idl, bridge_name);
  for (size_t i = 0; bridge && i < bridge->n_ports; i++) {
    const struct ovsrec_port* port = bridge->ports[i];
    if (!has_owner(&port->external_ids, owner) || port->n_interfaces != 1) {
      continue;
    }
    const struct ovsrec_interface* interface = port->interfaces[0];
    struct xpu_ovs_port out = {
        .name = port->name,
        .ofport = interface->n_ofport ? interface->ofport[0] : 0,
        .requested = interface->n_ofport_request ? interface->ofport_request[0] : 0,
        .error = interface->error ? interface->error : "",
        .type = interface->type,
        .n_options = smap_count(&interface->options),
    };
    struct xpu_ovs_option* options = xcalloc(out.n_options, sizeof *options);
    struct smap_node* node;
    size_t n = 0;
    SMAP_FOR_EACH(node, &interface->options) {
      options[n].key = node->key;
      options[n++].value = node->value;
    }
    out.options = options;
    each(context, &out);
    free(options);
  }
}

struct xpu_ovs_txn* xpu_ovs_txn_begin(struct xpu_ovs_db* db) {
  struct xpu_ovs_txn* txn = xzalloc(sizeof *txn);
  txn->idl = db->idl;
  txn->txn = ovsdb_idl_txn_create(db->idl);
  ovsdb_idl_txn_add_comment(txn->txn, "xpu-agent");
  txn->root = ovsrec_open_vswitch_first(db->idl);
  return txn;
}

void xpu_ovs_txn_end(struct xpu_ovs_txn* txn) {
  ovsdb_idl_txn_destroy(txn->txn);
  free(txn->error);
  free(txn);
}

static const struct ovsrec_bridge* insert_bridge(struct xpu_ovs_txn* txn, const char* name) {
  if (!txn->root) {
    // A database that was never used has not even its one row of settings.
    txn->root = ovsrec_open_vswitch_insert(txn->txn);
  }
  // Open vSwitch expects the port that stands for the bridge itself.
  struct ovsrec_interface* interface = ovsrec_interface_insert(txn->txn);
  ovsrec_interface_set_name(interface, name);
  ovsrec_interface_set_type(interface, "internal");
  struct ovsrec_port* port = ovsrec_port_insert(txn->txn);
  ovsrec_port_set_name(port, name);
  ovsrec_port_set_interfaces(port, &interface, 1);
  struct ovsrec_bridge* bridge = ovsrec_bridge_insert(txn->txn);
  ovsrec_bridge_set_name(bridge, name);
  ovsrec_bridge_set_ports(bridge, &port, 1);
  ovsrec_open_vswitch_update_bridges_addvalue(txn->root, bridge);
  return bridge;
}

void xpu_ovs_txn_put_bridge(struct xpu_ovs_txn* txn, const char* name, const char* owner,
                            const char* datapath_type) {
  static const char* protocols[] = {"OpenFlow14", "OpenFlow15"};
  const struct ovsrec_bridge* bridge = find_bridge(txn->idl, name);
  if (!bridge) {
    bridge = insert_bridge(txn, name);
    ovsrec_bridge_update_external_ids_setkey(bridge, OWNER_KEY, owner);
  }
  ovsrec_bridge_set_datapath_type(bridge, datapath_type);
  ovsrec_bridge_set_fail_mode(bridge, "secure");
  ovsrec_bridge_set_protocols(bridge, protocols, 2);
  txn->dirty = true;
}

void xpu_ovs_txn_put_setting(struct xpu_ovs_txn* txn, const char* key, const char* value) {
  if (!txn->root) {
    txn->root = ovsrec_open_vswitch_insert(txn->txn);
  }
  ovsrec_open_vswitch_update_other_config_setkey(txn->root, key, value);
  txn->dirty = true;
}

static bool interface_exists(const struct ovsdb_idl* idl, const char* name) {
  const struct ovsrec_interface* interface;
  OVSREC_INTERFACE_FOR_EACH(interface, idl) {
    if (!strcmp(interface->name, name)) {
      return true;
    }
  }
  return false;
}

static bool request_ofport(const struct ovsrec_interface* interface, uint32_t ofport) {
  const int64_t wanted = ofport;
  if (interface->n_ofport_request == (ofport != 0) && (!ofport || interface->ofport_request[0] == wanted)) {
    return false;
  }
  ovsrec_interface_set_ofport_request(interface, &wanted, ofport != 0);
  return true;
}

static bool set_type(const struct ovsrec_interface* interface, const char* type) {
  if (!strcmp(interface->type ? interface->type : "", type)) {
    return false;
  }
  ovsrec_interface_set_type(interface, type);
  return true;
}

static bool set_options(const struct ovsrec_interface* interface, const struct xpu_ovs_port* port) {
  struct smap options = SMAP_INITIALIZER(&options);
  for (size_t i = 0; i < port->n_options; i++) {
    smap_replace(&options, port->options[i].key, port->options[i].value);
  }
  const bool differ = !smap_equal(&interface->options, &options);
  if (differ) {
    ovsrec_interface_set_options(interface, &options);
  }
  smap_destroy(&options);
  return differ;
}

enum xpu_ovs_port_change xpu_ovs_txn_put_port(struct xpu_ovs_txn* txn, const char* bridge_name,
                                              const char* owner, const struct xpu_ovs_port* wanted) {
  const char* name = wanted->name;
  const struct ovsrec_bridge* bridge = find_bridge(txn->idl, bridge_name);
  if (!bridge) {
    return XPU_OVS_PORT_NO_BRIDGE;
  }
  const struct ovsrec_port* existing = find_port(bridge, name);
  if (existing && has_owner(&existing->external_ids, owner) && existing->n_interfaces == 1) {
    const struct ovsrec_interface* interface = existing->interfaces[0];
    txn->dirty |= request_ofport(interface, (uint32_t)wanted->requested);
    txn->dirty |= set_type(interface, wanted->type);
    txn->dirty |= set_options(interface, wanted);
    return XPU_OVS_PORT_OK;
  }
  if (existing || interface_exists(txn->idl, name)) {
    return XPU_OVS_PORT_TAKEN;
  }
  struct ovsrec_interface* interface = ovsrec_interface_insert(txn->txn);
  ovsrec_interface_set_name(interface, name);
  request_ofport(interface, (uint32_t)wanted->requested);
  set_type(interface, wanted->type);
  set_options(interface, wanted);
  ovsrec_interface_update_external_ids_setkey(interface, OWNER_KEY, owner);
  struct ovsrec_port* port = ovsrec_port_insert(txn->txn);
  ovsrec_port_set_name(port, name);
  ovsrec_port_set_interfaces(port, &interface, 1);
  ovsrec_port_update_external_ids_setkey(port, OWNER_KEY, owner);
  ovsrec_bridge_update_ports_addvalue(bridge, port);
  txn->dirty = true;
  return XPU_OVS_PORT_OK;
}

void xpu_ovs_txn_delete_port(struct xpu_ovs_txn* txn, const char* bridge_name, const char* owner,
                             const char* name) {
  const struct ovsrec_bridge* bridge = find_bridge(txn->idl, bridge_name);
  const struct ovsrec_port* port = bridge ? find_port(bridge, name) : NULL;
  if (port && has_owner(&port->external_ids, owner)) {
    // The server removes the rows of the port and its interface with the last reference to them.
    ovsrec_bridge_update_ports_delvalue(bridge, port);
    txn->dirty = true;
  }
}

bool xpu_ovs_txn_dirty(const struct xpu_ovs_txn* txn) { return txn->dirty; }

enum xpu_ovs_txn_state xpu_ovs_txn_commit(struct xpu_ovs_txn* txn) {
  if (!txn->counted && txn->root) {
    ovsdb_idl_txn_increment(txn->txn, &txn->root->header_, &ovsrec_open_vswitch_col_next_cfg, false);
    txn->counted = true;
  }
  const enum ovsdb_idl_txn_status status = ovsdb_idl_txn_commit(txn->txn);
  switch (status) {
    case TXN_UNCOMMITTED:
    case TXN_INCOMPLETE:
      return XPU_OVS_TXN_PENDING;
    case TXN_SUCCESS:
      txn->changed = true;
      return XPU_OVS_TXN_DONE;
    case TXN_UNCHANGED:
      return XPU_OVS_TXN_DONE;
    case TXN_TRY_AGAIN:
    case TXN_NOT_LOCKED:
      return XPU_OVS_TXN_AGAIN;
    case TXN_ABORTED:
    case TXN_ERROR:
      break;
  }
  free(txn->error);
  txn->error = xstrdup(ovsdb_idl_txn_get_error(txn->txn));
  return XPU_OVS_TXN_FAILED;
}

void xpu_ovs_txn_wait(const struct xpu_ovs_txn* txn) { ovsdb_idl_txn_wait(txn->txn); }

const char* xpu_ovs_txn_error(const struct xpu_ovs_txn* txn) { return txn->error ? txn->error : ""; }

int64_t xpu_ovs_txn_number(const struct xpu_ovs_txn* txn) {
  return txn->changed ? ovsdb_idl_txn_get_increment_new_value(txn->txn) : 0;
}
