#include <config.h>
#include <stdlib.h>
#include <string.h>

#include "byte-order.h"
#include "openflow/openflow.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-connection.h"
#include "openvswitch/ofp-bundle.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-monitor.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-switch.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vconn.h"
#include "socket-util.h"
#include "vconn-provider.h"
#include "xpu-agent/datapath/ovs/ovs_c.h"

// One version only: a flow prints differently in another.
#define VERSION_USED OFP14_VERSION
#define BUNDLE_FLAGS (OFPBF_ATOMIC | OFPBF_ORDERED)

static struct ofpbuf* finish(struct ofpbuf* message, uint32_t xid) {
  struct ofp_header* header = message->data;
  header->xid = htonl(xid);
  ofpmsg_update_length(message);
  return message;
}

struct ofpbuf* xpu_ovs_bundle_control(enum xpu_ovs_bundle_step step, uint32_t bundle, uint32_t xid) {
  struct ofputil_bundle_ctrl_msg control = {
      .bundle_id = bundle,
      .type = step == XPU_OVS_BUNDLE_COMMIT ? OFPBCT_COMMIT_REQUEST : OFPBCT_DISCARD_REQUEST,
      .flags = BUNDLE_FLAGS,
  };
  return finish(ofputil_encode_bundle_ctrl_request(VERSION_USED, &control), xid);
}

void xpu_ovs_bundle_add(struct ofpbuf* flow_mod, uint32_t bundle, uint32_t xid, struct ofpbuf** batch) {
  // The message inside must have the transaction id of the one outside.
  struct ofputil_bundle_add_msg add = {
      .bundle_id = bundle, .flags = BUNDLE_FLAGS, .msg = finish(flow_mod, xid)->data};
  struct ofpbuf* message = finish(ofputil_encode_bundle_add(VERSION_USED, &add), xid);
  ofpbuf_delete(flow_mod);
  xpu_ovs_append(message, batch);
}

void xpu_ovs_append(struct ofpbuf* message, struct ofpbuf** batch) {
  if (!*batch) {
    *batch = message;
    return;
  }
  // A buffer that grows by what is put in would be copied with each message.
  if (ofpbuf_tailroom(*batch) < message->size) {
    ofpbuf_prealloc_tailroom(*batch, message->size + (*batch)->size);
  }
  ofpbuf_put(*batch, message->data, message->size);
  ofpbuf_delete(message);
}

size_t xpu_ovs_message_size(const struct ofpbuf* message) { return message ? message->size : 0; }

struct ofpbuf* xpu_ovs_barrier(uint32_t xid) {
  return finish(ofputil_encode_barrier_request(VERSION_USED), xid);
}

struct ofpbuf* xpu_ovs_show_fragments(uint32_t xid) {
  // A connection that the switch has not opened itself is told nothing unasked unless it wants some octets of
  // packets that no flow matches.
  const struct ofputil_switch_config config = {
      .frag = OFPUTIL_FRAG_NX_MATCH, .invalid_ttl_to_controller = -1, .miss_send_len = UINT16_MAX};
  return finish(ofputil_encode_set_config(&config, VERSION_USED), xid);
}

struct ofpbuf* xpu_ovs_hear_meters(uint32_t xid) {
  struct ofputil_async_cfg config = OFPUTIL_ASYNC_CFG_INIT;
  config.primary[OAM_REQUESTFORWARD] = 1u << OFPRFR_METER_MOD;
  return finish(ofputil_encode_set_async_config(&config, (1u << OAM_N_TYPES) - 1, VERSION_USED), xid);
}

struct ofpbuf* xpu_ovs_flow_monitor(uint32_t xid) {
  struct ofputil_flow_monitor_request request = {
      .id = 1,
      .command = OFPFMC_ADD,
      .flags = OFPFMF_INITIAL | OFPFMF_ADD | OFPFMF_REMOVED | OFPFMF_MODIFY | OFPFMF_INSTRUCTIONS,
      .out_port = OFPP_ANY,
      .out_group = OFPG_ANY,
      .table_id = OFPTT_ALL,
  };
  match_init_catchall(&request.match);
  struct ofpbuf* message = ofpbuf_new(0);
  ofputil_append_flow_monitor_request(&request, message, OFPUTIL_P_OF14_OXM);
  return finish(message, xid);
}

struct ofpbuf* xpu_ovs_flow_dump(uint64_t cookie, uint64_t cookie_mask, uint32_t xid) {
  struct ofputil_flow_stats_request request = {
      .cookie = htonll(cookie),
      .cookie_mask = htonll(cookie_mask),
      .out_port = OFPP_ANY,
      .out_group = OFPG_ANY,
      .table_id = OFPTT_ALL,
  };
  match_init_catchall(&request.match);
  return finish(ofputil_encode_flow_stats_request(&request, OFPUTIL_P_OF14_OXM), xid);
}

void xpu_ovs_message_free(struct ofpbuf* message) { ofpbuf_delete(message); }

void xpu_ovs_message_decode(const struct ofpbuf* message, struct xpu_ovs_message* out) {
  const struct ofp_header* header = message->data;
  memset(out, 0, sizeof *out);
  out->xid = ntohl(header->xid);
  out->type = XPU_OVS_OTHER;
  enum ofptype type;
  enum ofperr error = ofptype_decode(&type, header);
  if (!error && type == OFPTYPE_ERROR) {
    out->type = XPU_OVS_ERROR;
    error = ofperr_decode_msg(header, NULL);
    if (!error) {
      out->error_name = "ERROR";
      out->error_text = "an error the library does not know";
    }
  } else if (!error) {
    out->type = type == OFPTYPE_BARRIER_REPLY              ? XPU_OVS_BARRIER_REPLY
                : type == OFPTYPE_BUNDLE_CONTROL           ? XPU_OVS_BUNDLE_REPLY
                : type == OFPTYPE_FLOW_MONITOR_STATS_REPLY ? XPU_OVS_FLOW_UPDATE
                : type == OFPTYPE_FLOW_STATS_REPLY         ? XPU_OVS_FLOW_DUMP
                : type == OFPTYPE_ECHO_REQUEST             ? XPU_OVS_ECHO_REQUEST
                : type == OFPTYPE_METER_FEATURES_STATS_REPLY ? XPU_OVS_METER_FEATURES
                : type == OFPTYPE_METER_CONFIG_STATS_REPLY   ? XPU_OVS_METERS
                : type == OFPTYPE_REQUESTFORWARD             ? XPU_OVS_FORWARDED
                                                             : XPU_OVS_OTHER;
    out->more = ofpmsg_is_stat_reply(header) && ofpmp_more(header);
  }
  if (error) {
    out->error_name = ofperr_get_name(error);
    out->error_text = ofperr_get_description(error);
  }
}

struct ofpbuf* xpu_ovs_echo_reply(const struct ofpbuf* request) {
  struct ofpbuf* reply = ofputil_encode_echo_reply(request->data);
  ofpmsg_update_length(reply);
  return reply;
}

int xpu_ovs_open(const char* name, struct vconn** vconn) {
  return vconn_open(name, 1u << VERSION_USED, DSCP_DEFAULT, vconn);
}

void xpu_ovs_close(struct vconn* vconn) { vconn_close(vconn); }

void xpu_ovs_run(struct vconn* vconn) { vconn_run(vconn); }

int xpu_ovs_connect(struct vconn* vconn) { return vconn_connect(vconn); }

int xpu_ovs_send(struct vconn* vconn, struct ofpbuf* batch) {
  // vconn_send() would write the size of the batch into its first message.
  return vconn->vclass->send(vconn, batch);
}

int xpu_ovs_recv(struct vconn* vconn, struct ofpbuf** message) { return vconn_recv(vconn, message); }

void xpu_ovs_wait(struct vconn* vconn, bool sending) {
  vconn_run_wait(vconn);
  vconn_recv_wait(vconn);
  if (sending) {
    vconn_send_wait(vconn);
  }
}
