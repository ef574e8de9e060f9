#include "common/opi/bandwidth.h"

namespace xpu {

Bandwidth FromOpi(const agent::v1::Bandwidth& bandwidth) {
  return {.ingress = {bandwidth.ingress_rate(), bandwidth.ingress_burst()},
          .egress = {bandwidth.egress_rate(), bandwidth.egress_burst()}};
}

agent::v1::Bandwidth ToOpi(const Bandwidth& bandwidth) {
  agent::v1::Bandwidth message;
  message.set_ingress_rate(bandwidth.ingress.rate);
  message.set_ingress_burst(bandwidth.ingress.burst);
  message.set_egress_rate(bandwidth.egress.rate);
  message.set_egress_burst(bandwidth.egress.burst);
  return message;
}

}  // namespace xpu
