// Messages of OpenFlow 1.4 and of Open vSwitch's extensions that carry packets. Safe to include from C++.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ofpbuf;

#define XPU_OVS_PACKET_REGS 4

// A packet that comes or goes. The pointers are not owned.
struct xpu_ovs_packet {
  uint8_t table;
  // Of a packet that comes: OpenFlow port, in 16 bits.
  uint32_t in_port;
  uint64_t metadata;
  uint32_t regs[XPU_OVS_PACKET_REGS];
  const void* bytes;
  size_t size;
};

// What a connection says once to get packets: in which form, whose, and that at all.
struct ofpbuf* xpu_ovs_packet_format(uint32_t xid);
struct ofpbuf* xpu_ovs_packet_controller_id(uint16_t id, uint32_t xid);
struct ofpbuf* xpu_ovs_packet_enable(uint32_t xid);
// Limits what flows send to controllers, in packets a second: makes the meter, or changes the one there is.
struct ofpbuf* xpu_ovs_packet_meter(bool add, uint32_t rate, uint32_t burst, uint32_t xid);

struct ofpbuf* xpu_ovs_packet_out(const struct xpu_ovs_packet* packet, uint32_t xid);
// False if the message is something else, or malformed. What `packet` points to is part of the message.
bool xpu_ovs_packet_in(const struct ofpbuf* message, struct xpu_ovs_packet* packet);

#ifdef __cplusplus
}
#endif
