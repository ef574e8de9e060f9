#include "common/sys/netlink_message.h"

namespace xpu {

NetlinkMessage::NetlinkMessage(int type, int flags)
    : message_(nlmsg_alloc_simple(type, NLM_F_REQUEST | flags), nlmsg_free) {}

void NetlinkMessage::PutU8(int attribute, uint8_t value) { nla_put_u8(message_.get(), attribute, value); }

void NetlinkMessage::PutU16(int attribute, uint16_t value) { nla_put_u16(message_.get(), attribute, value); }

void NetlinkMessage::PutU32(int attribute, uint32_t value) { nla_put_u32(message_.get(), attribute, value); }

void NetlinkMessage::PutString(int attribute, const std::string& text) {
  nla_put_string(message_.get(), attribute, text.c_str());
}

void NetlinkMessage::PutBytes(int attribute, absl::string_view bytes) {
  nla_put(message_.get(), attribute, static_cast<int>(bytes.size()), bytes.data());
}

nlattr* NetlinkMessage::Open(int attribute) { return nla_nest_start(message_.get(), attribute); }

void NetlinkMessage::Close(nlattr* nested) { nla_nest_end(message_.get(), nested); }

}  // namespace xpu
