#include "xpu-agent/datapath/ovs/ovs_packet.h"

#include <config.h>
#include <stdlib.h>
#include <string.h>

#include "byte-order.h"
#include "flow.h"
#include "openflow/nicira-ext.h"
#include "openflow/openflow.h"
#include "openvswitch/match.h"
#include "openvswitch/meta-flow.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-packet.h"
#include "openvswitch/ofp-switch.h"
#include "openvswitch/ofpbuf.h"

#define VERSION_USED OFP14_VERSION
#define PROTOCOL_USED OFPUTIL_P_OF14_OXM

static struct ofpbuf* finish(struct ofpbuf* message, uint32_t xid) {
  struct ofp_header* header = message->data;
  header->xid = htonl(xid);
  ofpmsg_update_length(message);
  return message;
}

struct ofpbuf* xpu_ovs_packet_format(uint32_t xid) {
  return finish(ofputil_encode_set_packet_in_format(VERSION_USED, OFPUTIL_PACKET_IN_NXT2), xid);
}

struct ofpbuf* xpu_ovs_packet_controller_id(uint16_t id, uint32_t xid) {
  struct ofpbuf* message = ofpraw_alloc(OFPRAW_NXT_SET_CONTROLLER_ID, VERSION_USED, 0);
  struct nx_controller_id* body = ofpbuf_put_zeros(message, sizeof *body);
  body->controller_id = htons(id);
  return finish(message, xid);
}

struct ofpbuf* xpu_ovs_packet_enable(uint32_t xid) {
  // A connection that the switch has not opened itself gets packets only once it has asked for some octets of
  // those that no flow matches.
  const struct ofputil_switch_config config = {
      .frag = OFPUTIL_FRAG_NORMAL, .invalid_ttl_to_controller = -1, .miss_send_len = UINT16_MAX};
  return finish(ofputil_encode_set_config(&config, VERSION_USED), xid);
}

struct ofpbuf* xpu_ovs_packet_meter(bool add, uint32_t rate, uint32_t burst, uint32_t xid) {
  struct ofputil_meter_band band = {.type = OFPMBT13_DROP, .rate = rate, .burst_size = burst};
  const struct ofputil_meter_mod mod = {.command = add ? OFPMC13_ADD : OFPMC13_MODIFY,
                                        .meter = {.meter_id = OFPM13_CONTROLLER,
                                                  .flags = OFPMF13_PKTPS | OFPMF13_BURST,
                                                  .n_bands = 1,
                                                  .bands = &band}};
  return finish(ofputil_encode_meter_mod(VERSION_USED, &mod), xid);
}

static void put_field(struct ofpbuf* actions, enum mf_field_id id, uint64_t value) {
  union mf_value bits;
  memset(&bits, 0, sizeof bits);
  const struct mf_field* field = mf_from_id(id);
  if (field->n_bytes == 8) {
    bits.be64 = htonll(value);
  } else {
    bits.be32 = htonl((uint32_t)value);
  }
  ofpact_put_set_field(actions, field, &bits, NULL);
}

struct ofpbuf* xpu_ovs_packet_out(const struct xpu_ovs_packet* packet, uint32_t xid) {
  uint64_t stub[256 / 8];
  struct ofpbuf actions = OFPBUF_STUB_INITIALIZER(stub);
  if (packet->metadata) {
    put_field(&actions, MFF_METADATA, packet->metadata);
  }
  for (int i = 0; i < XPU_OVS_PACKET_REGS; ++i) {
    if (packet->regs[i]) {
      put_field(&actions, MFF_REG0 + i, packet->regs[i]);
    }
  }
  struct ofpact_resubmit* resubmit = ofpact_put_RESUBMIT(&actions);
  resubmit->in_port = OFPP_IN_PORT;
  resubmit->table_id = packet->table;
  struct ofputil_packet_out out = {
      .packet = packet->bytes,
      .packet_len = packet->size,
      .buffer_id = UINT32_MAX,
      .ofpacts = actions.data,
      .ofpacts_len = actions.size,
  };
  match_init_catchall(&out.flow_metadata);
  match_set_in_port(&out.flow_metadata, OFPP_CONTROLLER);
  struct ofpbuf* message = finish(ofputil_encode_packet_out(&out, PROTOCOL_USED), xid);
  ofpbuf_uninit(&actions);
  return message;
}

bool xpu_ovs_packet_in(const struct ofpbuf* message, struct xpu_ovs_packet* packet) {
  memset(packet, 0, sizeof *packet);
  enum ofptype type;
  if (ofptype_decode(&type, message->data) || type != OFPTYPE_PACKET_IN) {
    return false;
  }
  struct ofputil_packet_in in;
  size_t total;
  uint32_t buffer;
  if (ofputil_decode_packet_in(message->data, true, NULL, NULL, &in, &total, &buffer, NULL)) {
    return false;
  }
  packet->table = in.table_id;
  packet->in_port = ofp_to_u16(in.flow_metadata.flow.in_port.ofp_port);
  packet->metadata = ntohll(in.flow_metadata.flow.metadata);
  for (int i = 0; i < XPU_OVS_PACKET_REGS; ++i) {
    packet->regs[i] = in.flow_metadata.flow.regs[i];
  }
  // Lies in the message.
  packet->bytes = in.packet;
  packet->size = in.packet_len;
  return true;
}
