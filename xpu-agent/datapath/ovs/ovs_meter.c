#include <config.h>
#include <arpa/inet.h>
#include <stdio.h>

#include "openflow/openflow.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofpbuf.h"
#include "xpu-agent/datapath/ovs/ovs_c.h"

#define VERSION_USED OFP14_VERSION

static struct ofpbuf* finish(struct ofpbuf* message, uint32_t xid) {
  struct ofp_header* header = message->data;
  header->xid = htonl(xid);
  ofpmsg_update_length(message);
  return message;
}

struct ofpbuf* xpu_ovs_meter_mod(enum xpu_ovs_meter_change change, const struct xpu_ovs_meter* meter,
                                 uint32_t xid) {
  struct ofputil_meter_band band = {
      .type = OFPMBT13_DROP, .rate = meter->rate, .burst_size = meter->burst};
  const struct ofputil_meter_mod mod = {
      .command = change == XPU_OVS_METER_ADD      ? OFPMC13_ADD
                 : change == XPU_OVS_METER_MODIFY ? OFPMC13_MODIFY
                                                  : OFPMC13_DELETE,
      .meter = {.meter_id = meter->id,
                .flags = OFPMF13_BURST | (meter->packets ? OFPMF13_PKTPS : OFPMF13_KBPS),
                .n_bands = 1,
                .bands = &band}};
  return finish(ofputil_encode_meter_mod(VERSION_USED, &mod), xid);
}

struct ofpbuf* xpu_ovs_meter_features(uint32_t xid) {
  return finish(ofputil_encode_meter_request(VERSION_USED, OFPUTIL_METER_FEATURES, 0), xid);
}

struct ofpbuf* xpu_ovs_meter_dump(uint32_t xid) {
  return finish(ofputil_encode_meter_request(VERSION_USED, OFPUTIL_METER_CONFIG, OFPM13_ALL), xid);
}

uint32_t xpu_ovs_max_meters(const struct ofpbuf* features) {
  struct ofputil_meter_features decoded;
  ofputil_decode_meter_features(features->data, &decoded);
  return decoded.max_meters;
}

enum xpu_ovs_meter_next xpu_ovs_next_meter(struct ofpbuf* message, struct xpu_ovs_meter* out) {
  uint64_t stub[256 / 8];
  struct ofpbuf bands = OFPBUF_STUB_INITIALIZER(stub);
  struct ofputil_meter_config config;
  const int error = ofputil_decode_meter_config(message, &config, &bands);
  enum xpu_ovs_meter_next next = error == EOF ? XPU_OVS_METER_END : XPU_OVS_METER_BAD;
  if (!error) {
    next = XPU_OVS_METER_SOME;
    const bool packets = (config.flags & OFPMF13_PKTPS) != 0;
    const int flags = OFPMF13_BURST | (packets ? OFPMF13_PKTPS : OFPMF13_KBPS);
    const bool plain = (config.flags & ~OFPMF13_STATS) == flags && config.n_bands == 1 &&
                       config.bands[0].type == OFPMBT13_DROP;
    *out = (struct xpu_ovs_meter){.id = config.meter_id, .packets = packets};
    if (plain) {
      out->rate = config.bands[0].rate;
      out->burst = config.bands[0].burst_size;
    }
  }
  ofpbuf_uninit(&bands);
  return next;
}
