#include "opi/network/evpn_gw/v1alpha1/evpn_gw.grpc.pb.h"
#include "xpu-agent/services/opi_fields.h"
#include "xpu-agent/services/services.h"
#include "xpu/agent/v1/port_service.grpc.pb.h"

namespace xpu {

std::vector<std::string> SwitchServiceNames() {
  return {evpn::VrfService::service_full_name(), evpn::LogicalBridgeService::service_full_name(),
          evpn::BridgePortService::service_full_name(), evpn::SviService::service_full_name(),
          agent::v1::PortService::service_full_name()};
}

}  // namespace xpu
