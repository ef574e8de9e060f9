// Any bytes as a packet of any kind: nothing breaks, and what is answered is a sound frame to its sender.

#include <cstddef>
#include <cstdint>
#include <string>

#include "xpu-agent/slowpath/model_testing.h"
#include "xpu-agent/slowpath/responder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace xpu;            // NOLINT
  using namespace xpu::slowpath;  // NOLINT
  static const ModelIndex* const index = new ModelIndex(IndexOf(TwoRoutedNetworks()));
  if (size == 0) return 0;
  // The first octet says what it is taken for; its upper half, whether the sender is made that of a port,
  // which a guard would have seen to.
  std::string frame(reinterpret_cast<const char*>(data) + 1, size - 1);
  if ((data[0] & 0x80) == 0 && frame.size() >= 12) frame.replace(6, 6, Mac(kMacA).ToBytes());
  PacketIn packet = Packet(static_cast<pipeline::PacketOpcode>(data[0] & 0x0f), kRed, 1, frame);
  packet.regs[2] = kVrf;
  Responder responder;
  const Responder::Answer answer = responder.Handle(*index, packet, absl::FromUnixSeconds(1000));
  if (answer.packet.has_value()) {
    Ethernet ethernet;
    Ipv4 v4;
    Ipv6 v6;
    if (answer.packet->metadata != kRed || answer.packet->regs[1] != 1) __builtin_trap();
    if (answer.packet->bytes.size() > 14 + 1500 || !Parse(answer.packet->bytes, &ethernet)) __builtin_trap();
    const bool sound =
        ethernet.type == kTypeIpv4 ? Parse(ethernet.payload, &v4) : Parse(ethernet.payload, &v6);
    if (!sound) __builtin_trap();
  }
  if (answer.solicitation.has_value()) {
    const auto* network = index->FindNetwork(kRed);
    if (BuildRouterAdvertisement(AdvertisementOf(*network), answer.solicitation).size() > 14 + 1500)
      __builtin_trap();
  }
  return 0;
}
