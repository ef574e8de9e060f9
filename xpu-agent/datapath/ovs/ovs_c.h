// libopenvswitch, whose headers are C and not safe in C++, as the C++ of this folder sees it.
//
// Everything here belongs to one thread, except xpu_ovs_init() and xpu_ovs_flow_mod(). Strings that a
// function hands out are freed with xpu_ovs_free(), messages (struct ofpbuf) with xpu_ovs_message_free() or
// by sending them.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ofpbuf;
struct vconn;

// ---- ovs_loop.c: the poll loop ----

// Sets the library up for a process that has its own logging and signal handling. Call before anything else
// and while no other thread changes signal handlers; later calls do nothing.
void xpu_ovs_init(void);
// Monotonic time in milliseconds.
long long xpu_ovs_now(void);
// Arrange that the next xpu_ovs_block() on this thread returns when `fd` can be read, or at the latest at
// `time`.
void xpu_ovs_wait_fd(int fd);
void xpu_ovs_wait_until(long long time);
// Makes the next xpu_ovs_block() return at once.
void xpu_ovs_wake(void);
void xpu_ovs_block(void);
void xpu_ovs_free(char*);
// What an errno value, or the library's EOF, means. Static text or valid until the next call on this thread.
const char* xpu_ovs_strerror(int error);

// ---- ovs_unixctl.c: commands to ovs-vswitchd, as ovs-appctl(8) gives them ----

// Blocks until the answer. Null and `answer`, or why not; both are freed with xpu_ovs_free(). A message that
// has `socket` in it is about the connection, another one is the daemon's.
char* xpu_ovs_unixctl(const char* socket, const char* command, int argc, char** argv, char** answer);

// ---- ovs_flow.c: flows as text and as messages of OpenFlow 1.4 ----

// A flow as `ovs-ofctl --no-stats --no-names -O OpenFlow14 dump-flows` prints its parts.
struct xpu_ovs_flow {
  uint8_t table;
  uint16_t priority;
  uint64_t cookie;
  char* match;
  char* actions;
};
// Frees the strings.
void xpu_ovs_flow_clear(struct xpu_ovs_flow*);

// Parses "table=T,priority=P,MATCH actions=ACTIONS" (to add) or the same without actions (to delete strictly,
// only if cookie/cookie_mask fits) into a flow mod and, if `flow` is not null, its canonical form. Returns
// null, or says what is wrong. Fields that are neither match nor actions (timeouts, cookies, flags) are
// refused.
char* xpu_ovs_flow_mod(const char* text, bool add, uint64_t cookie, uint64_t cookie_mask,
                       struct ofpbuf** message, struct xpu_ovs_flow* flow);

enum xpu_ovs_flow_event {
  XPU_OVS_FLOW_SET,      // There from the start, added, or with new actions.
  XPU_OVS_FLOW_REMOVED,  // Has no actions.
  XPU_OVS_FLOW_OTHER,    // Nothing about a flow (an abbreviation of what this connection changed itself).
  XPU_OVS_FLOW_END,      // No further flow in this message.
  XPU_OVS_FLOW_BAD,      // The message is malformed.
};
// Takes the next flow out of a reply of the flow monitor or of a dump.
enum xpu_ovs_flow_event xpu_ovs_next_flow(struct ofpbuf* message, bool dump, struct xpu_ovs_flow* flow);

// ---- ovs_openflow.c: messages and the connection ----

enum xpu_ovs_bundle_step { XPU_OVS_BUNDLE_COMMIT, XPU_OVS_BUNDLE_DISCARD };
struct ofpbuf* xpu_ovs_bundle_control(enum xpu_ovs_bundle_step, uint32_t bundle, uint32_t xid);
// Wraps and frees `flow_mod`, and appends the message to `*batch`, which is made if it is null. A batch is
// sent like one message.
void xpu_ovs_bundle_add(struct ofpbuf* flow_mod, uint32_t bundle, uint32_t xid, struct ofpbuf** batch);
// Appends `message` to `*batch` in the same way, and frees it.
void xpu_ovs_append(struct ofpbuf* message, struct ofpbuf** batch);
// In octets; 0 of null.
size_t xpu_ovs_message_size(const struct ofpbuf*);
struct ofpbuf* xpu_ovs_barrier(uint32_t xid);
// Has flows see the ports and the ICMP type of a first fragment, instead of zeros as in every other one
// (ovs-ofctl(8), "set-frags nx-match"). The switch forgets it when it is started anew. Also asks for what the
// switch tells unasked, which is none of it before xpu_ovs_hear_meters().
struct ofpbuf* xpu_ovs_show_fragments(uint32_t xid);
// Of all that a switch tells unasked this connection wants to hear that somebody else changes meters.
struct ofpbuf* xpu_ovs_hear_meters(uint32_t xid);
// Asks for all flows of the switch, and from then on for every change that comes from another connection.
struct ofpbuf* xpu_ovs_flow_monitor(uint32_t xid);
// Asks for the flows whose cookie fits, once.
struct ofpbuf* xpu_ovs_flow_dump(uint64_t cookie, uint64_t cookie_mask, uint32_t xid);
void xpu_ovs_message_free(struct ofpbuf*);

// ---- ovs_meter.c ----

struct xpu_ovs_meter {
  uint32_t id;
  // Of the rate and the burst: packets, or else kilobits.
  bool packets;
  uint32_t rate;
  uint32_t burst;
};
enum xpu_ovs_meter_change { XPU_OVS_METER_ADD, XPU_OVS_METER_MODIFY, XPU_OVS_METER_DELETE };
// Of one that is to be deleted only the id counts.
struct ofpbuf* xpu_ovs_meter_mod(enum xpu_ovs_meter_change, const struct xpu_ovs_meter*, uint32_t xid);
// Asks how many meters there can be, and for all that there are.
struct ofpbuf* xpu_ovs_meter_features(uint32_t xid);
struct ofpbuf* xpu_ovs_meter_dump(uint32_t xid);
uint32_t xpu_ovs_max_meters(const struct ofpbuf* features);
// Takes the next meter out of the reply. One that is not as xpu_ovs_meter_mod() makes them has a rate of 0.
enum xpu_ovs_meter_next { XPU_OVS_METER_SOME, XPU_OVS_METER_END, XPU_OVS_METER_BAD };
enum xpu_ovs_meter_next xpu_ovs_next_meter(struct ofpbuf* message, struct xpu_ovs_meter*);

enum xpu_ovs_message_type {
  XPU_OVS_ERROR,
  XPU_OVS_BARRIER_REPLY,
  XPU_OVS_BUNDLE_REPLY,
  XPU_OVS_FLOW_UPDATE,
  XPU_OVS_FLOW_DUMP,
  XPU_OVS_ECHO_REQUEST,
  XPU_OVS_METER_FEATURES,
  XPU_OVS_METERS,
  // Somebody else has changed a meter or a group.
  XPU_OVS_FORWARDED,
  XPU_OVS_OTHER,
};
struct xpu_ovs_message {
  enum xpu_ovs_message_type type;
  uint32_t xid;
  // Of an error, and of what cannot be decoded: the name OpenFlow gives it and what it means. Static text.
  const char* error_name;
  const char* error_text;
  // Of a multipart reply: more parts of it follow.
  bool more;
};
void xpu_ovs_message_decode(const struct ofpbuf*, struct xpu_ovs_message*);
struct ofpbuf* xpu_ovs_echo_reply(const struct ofpbuf* request);

// Opens "unix:PATH" for OpenFlow 1.4 without waiting. 0, or an errno value.
int xpu_ovs_open(const char* name, struct vconn**);
void xpu_ovs_close(struct vconn*);
// Writes what was sent but did not fit into the socket; call it before the others, whenever woken.
void xpu_ovs_run(struct vconn*);
// 0 once the connection is up, EAGAIN on the way there, else why there is none.
int xpu_ovs_connect(struct vconn*);
// Sends any number of messages in one buffer, on a connection that is up. 0 and it is taken, EAGAIN if it
// must be tried again later, else why the connection is lost.
int xpu_ovs_send(struct vconn*, struct ofpbuf*);
// 0 and a message, EAGAIN if there is none now, else why the connection is lost.
int xpu_ovs_recv(struct vconn*, struct ofpbuf**);
// Arranges that the next xpu_ovs_block() returns when there is something to do: to receive, or also to send.
void xpu_ovs_wait(struct vconn*, bool sending);

#ifdef __cplusplus
}
#endif
