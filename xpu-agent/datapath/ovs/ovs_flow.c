#include <config.h>
#include <stdlib.h>
#include <string.h>

#include "byte-order.h"
#include "flow.h"
#include "openflow/openflow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-monitor.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"
#include "xpu-agent/datapath/ovs/ovs_c.h"

static char* format_match(const struct match* match) {
  struct ds s = DS_EMPTY_INITIALIZER;
  // The default priority is the one that the library does not print.
  match_format(match, NULL, &s, OFP_DEFAULT_PRIORITY);
  return ds_steal_cstr(&s);
}

static char* format_actions(const struct ofpact* ofpacts, size_t length) {
  struct ds s = DS_EMPTY_INITIALIZER;
  struct ofpact_format_params params = {.s = &s};
  ofpacts_format(ofpacts, length, &params);
  return ds_steal_cstr(&s);
}

void xpu_ovs_flow_clear(struct xpu_ovs_flow* flow) {
  free(flow->match);
  free(flow->actions);
  flow->match = flow->actions = NULL;
}

static char* format_flow_mod(const struct ofputil_flow_mod* fm, struct xpu_ovs_flow* flow) {
  struct match match;
  minimatch_expand(&fm->match, &match);
  flow->table = fm->table_id;
  flow->priority = fm->priority;
  flow->cookie = ntohll(fm->new_cookie);
  flow->match = format_match(&match);
  flow->actions = format_actions(fm->ofpacts, fm->ofpacts_len);
  return NULL;
}

// The canonical form is what is left after a trip over the wire: some actions have several spellings, and
// only the encoding settles which one the switch will show.
static char* canonical_form(const struct ofpbuf* message, struct xpu_ovs_flow* flow) {
  struct ofputil_flow_mod fm;
  uint64_t stub[512 / 8];
  struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(stub);
  enum ofperr error = ofputil_decode_flow_mod(&fm, message->data, OFPUTIL_P_OF14_OXM, NULL, NULL, &ofpacts,
                                              u16_to_ofp(OFPP_MAX), 255);
  if (!error) {
    format_flow_mod(&fm, flow);
    minimatch_destroy(&fm.match);
  }
  ofpbuf_uninit(&ofpacts);
  return error ? xasprintf("%s (%s)", ofperr_get_name(error), ofperr_get_description(error)) : NULL;
}

char* xpu_ovs_flow_mod(const char* text, bool add, uint64_t cookie, uint64_t cookie_mask,
                       struct ofpbuf** message, struct xpu_ovs_flow* flow) {
  *message = NULL;
  struct ofputil_flow_mod fm;
  enum ofputil_protocol usable;
  char* error = parse_ofp_str(&fm, add ? OFPFC_ADD : OFPFC_DELETE_STRICT, text, NULL, NULL, &usable);
  if (error) {
    return error;
  }
  if (!(usable & OFPUTIL_P_OF14_OXM)) {
    error = xstrdup("OpenFlow 1.4 cannot carry it");
  } else if (fm.cookie_mask || (add && fm.new_cookie) || fm.idle_timeout || fm.hard_timeout ||
             fm.importance || fm.flags || fm.out_port != OFPP_ANY || fm.out_group != OFPG_ANY ||
             fm.buffer_id != UINT32_MAX) {
    error = xstrdup("cookies, timeouts, flags and filters are not part of a flow here");
  } else {
    fm.cookie = add ? 0 : htonll(cookie);
    fm.cookie_mask = add ? 0 : htonll(cookie_mask);
    fm.new_cookie = add ? htonll(cookie) : OVS_BE64_MAX;
    *message = ofputil_encode_flow_mod(&fm, OFPUTIL_P_OF14_OXM);
    ofpmsg_update_length(*message);
    if (flow) {
      memset(flow, 0, sizeof *flow);
      error = add ? canonical_form(*message, flow) : format_flow_mod(&fm, flow);
    }
    if (error) {
      ofpbuf_delete(*message);
      *message = NULL;
    }
  }
  minimatch_destroy(&fm.match);
  free(fm.ofpacts);
  return error;
}

static enum xpu_ovs_flow_event next_monitored(struct ofpbuf* message, struct ofpbuf* ofpacts,
                                              struct xpu_ovs_flow* flow) {
  struct ofputil_flow_update update;
  const int error = ofputil_decode_flow_update(&update, message, ofpacts);
  if (error) {
    return error == EOF ? XPU_OVS_FLOW_END : XPU_OVS_FLOW_BAD;
  }
  if (update.event != OFPFME_INITIAL && update.event != OFPFME_ADDED && update.event != OFPFME_MODIFIED &&
      update.event != OFPFME_REMOVED) {
    return XPU_OVS_FLOW_OTHER;
  }
  flow->table = update.table_id;
  flow->priority = update.priority;
  flow->cookie = ntohll(update.cookie);
  flow->match = format_match(&update.match);
  if (update.event == OFPFME_REMOVED) {
    return XPU_OVS_FLOW_REMOVED;
  }
  flow->actions = format_actions(update.ofpacts, update.ofpacts_len);
  return XPU_OVS_FLOW_SET;
}

static enum xpu_ovs_flow_event next_dumped(struct ofpbuf* message, struct ofpbuf* ofpacts,
                                           struct xpu_ovs_flow* flow) {
  struct ofputil_flow_stats stats;
  const int error = ofputil_decode_flow_stats_reply(&stats, message, false, ofpacts);
  if (error) {
    return error == EOF ? XPU_OVS_FLOW_END : XPU_OVS_FLOW_BAD;
  }
  flow->table = stats.table_id;
  flow->priority = stats.priority;
  flow->cookie = ntohll(stats.cookie);
  flow->match = format_match(&stats.match);
  flow->actions = format_actions(stats.ofpacts, stats.ofpacts_len);
  return XPU_OVS_FLOW_SET;
}

enum xpu_ovs_flow_event xpu_ovs_next_flow(struct ofpbuf* message, bool dump, struct xpu_ovs_flow* flow) {
  uint64_t stub[512 / 8];
  struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(stub);
  memset(flow, 0, sizeof *flow);
  const enum xpu_ovs_flow_event event =
      dump ? next_dumped(message, &ofpacts, flow) : next_monitored(message, &ofpacts, flow);
  ofpbuf_uninit(&ofpacts);
  return event;
}
