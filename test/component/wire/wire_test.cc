// What other projects' programs see on the wire must not change by accident: every message, field, enum value
// and call of the foreign protocols is held against a table, and a few encodings against bytes worked out by
// hand.

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"
#include "kubelet/deviceplugin/v1beta1/api.pb.h"
#include "kubelet/pluginregistration/v1/api.pb.h"
#include "kubelet/podresources/v1/api.pb.h"
#include "opi/inventory/v1/inventory.pb.h"
#include "opi/lifecycle/v1/lifecycle.pb.h"
#include "opi/lifecycle/v1alpha1/lifecycle.pb.h"
#include "opi/lifecycle/vendor/lifecycle.pb.h"
#include "opi/network/evpn_gw/v1alpha1/evpn_gw.pb.h"
#include "opi/network/opinetcommon/v1alpha1/netcommon.pb.h"

namespace xpu {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;

std::string TypeOf(const FieldDescriptor& field) {
  if (field.is_map()) {
    return absl::StrCat("map<", TypeOf(*field.message_type()->map_key()), ",",
                        TypeOf(*field.message_type()->map_value()), ">");
  }
  if (field.message_type() != nullptr) return field.message_type()->full_name();
  if (field.enum_type() != nullptr) return field.enum_type()->full_name();
  return field.type_name();
}

void Print(const EnumDescriptor& e, std::string& out) {
  absl::StrAppend(&out, "enum ", e.name(), "\n");
  for (int i = 0; i < e.value_count(); ++i) {
    absl::StrAppend(&out, "  ", e.value(i)->number(), " ", e.value(i)->name(), "\n");
  }
}

void Print(const Descriptor& message, std::string& out) {
  absl::StrAppend(&out, "message ", message.name(), "\n");
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    absl::StrAppend(&out, "  ", field.number(), " ", field.name(), " ", TypeOf(field));
    if (field.is_repeated() && !field.is_map()) absl::StrAppend(&out, " repeated");
    if (field.has_optional_keyword()) absl::StrAppend(&out, " optional");
    if (field.real_containing_oneof() != nullptr) {
      absl::StrAppend(&out, " in ", field.real_containing_oneof()->name());
    }
    absl::StrAppend(&out, "\n");
  }
}

std::string Table(const FileDescriptor& file) {
  std::string out = absl::StrCat("package ", file.package(), "\n");
  for (int s = 0; s < file.service_count(); ++s) {
    absl::StrAppend(&out, "service ", file.service(s)->name(), "\n");
    for (int m = 0; m < file.service(s)->method_count(); ++m) {
      const auto& method = *file.service(s)->method(m);
      absl::StrAppend(&out, "  ", method.name(), " ", method.client_streaming() ? "stream " : "",
                      method.input_type()->full_name(), " -> ", method.server_streaming() ? "stream " : "",
                      method.output_type()->full_name(), "\n");
    }
  }
  for (int m = 0; m < file.message_type_count(); ++m) Print(*file.message_type(m), out);
  for (int e = 0; e < file.enum_type_count(); ++e) Print(*file.enum_type(e), out);
  return out;
}

// XPU_RENEW_GOLDEN=1 in the environment writes the table anew; look at the difference before committing it.
void ExpectGolden(const std::string& name, const std::string& table) {
  const std::string path = absl::StrCat(XPU_GOLDEN_DIR, "/", name, ".txt");
  if (getenv("XPU_RENEW_GOLDEN") != nullptr) std::ofstream(path) << table;
  std::ostringstream golden;
  golden << std::ifstream(path).rdbuf();
  EXPECT_EQ(table, golden.str()) << "the wire format differs from " << path;
}

TEST(WireTest, DevicePluginIsTheKubelets) {
  ExpectGolden("deviceplugin-v1beta1", Table(*v1beta1::Device::descriptor()->file()));
}

TEST(WireTest, PluginRegistrationIsTheKubelets) {
  ExpectGolden("pluginregistration-v1", Table(*pluginregistration::PluginInfo::descriptor()->file()));
}

TEST(WireTest, PodResourcesIsTheKubelets) {
  ExpectGolden("podresources-v1", Table(*v1::PodResources::descriptor()->file()));
}

TEST(WireTest, EvpnGwIsOpis) {
  ExpectGolden("opi-evpn-gw", Table(*opi_api::network::evpn_gw::v1alpha1::BridgePort::descriptor()->file()));
}

TEST(WireTest, NetcommonIsOpis) {
  ExpectGolden("opi-netcommon",
               Table(*opi_api::network::opinetcommon::v1alpha1::IPPrefix::descriptor()->file()));
}

TEST(WireTest, InventoryIsOpis) {
  ExpectGolden("opi-inventory", Table(*opi_api::inventory::v1::Inventory::descriptor()->file()));
}

TEST(WireTest, LifecycleIsDpuOperators) {
  ExpectGolden("opi-lifecycle-vendor", Table(*Vendor::InitRequest::descriptor()->file()));
  ExpectGolden("opi-lifecycle-v1alpha1",
               Table(*opi_api::lifecycle::v1alpha1::InitRequest::descriptor()->file()));
  ExpectGolden("opi-lifecycle-v1", Table(*opi_api::lifecycle::v1::InitRequest::descriptor()->file()));
}

// What was said under one name is understood under the others.
TEST(WireTest, TheThreeNamesOfTheLifecycleAreTheSameBytes) {
  Vendor::DeviceListResponse list;
  Vendor::Device& device = (*list.mutable_devices())["host0-1"];
  device.set_id("host0-1");
  device.set_health("Healthy");
  device.mutable_topology()->set_node("1");
  opi_api::lifecycle::v1alpha1::DeviceListResponse alpha;
  opi_api::lifecycle::v1::DeviceListResponse stable;
  ASSERT_TRUE(alpha.ParseFromString(list.SerializeAsString()));
  ASSERT_TRUE(stable.ParseFromString(list.SerializeAsString()));
  EXPECT_EQ(alpha.SerializeAsString(), list.SerializeAsString());
  EXPECT_EQ(stable.SerializeAsString(), list.SerializeAsString());
  Vendor::InitRequest init;
  init.set_dpu_mode(true);
  init.set_dpu_identifier("d");
  EXPECT_EQ(init.SerializeAsString(), std::string("\x08\x01\x12\x01"
                                                  "d",
                                                  5));
}

TEST(WireTest, ABridgePortIsTheseBytes) {
  opi_api::network::evpn_gw::v1alpha1::BridgePort port;
  port.set_name("bp");
  port.mutable_spec()->set_mac_address("\x02\x00\x00\x00\x00\x01", 6);
  port.mutable_spec()->set_ptype(opi_api::network::evpn_gw::v1alpha1::BRIDGE_PORT_TYPE_ACCESS);
  port.mutable_spec()->add_logical_bridges("a");
  // name: field 1, length 2; spec: field 2, length 13 = mac 1+1+6, ptype 1+1, bridge 1+1+1.
  EXPECT_EQ(port.SerializeAsString(), std::string("\x0a\x02"
                                                  "bp"
                                                  "\x12\x0d\x0a\x06\x02\x00\x00\x00\x00\x01\x10\x01\x1a\x01"
                                                  "a",
                                                  19));
}

TEST(WireTest, AnIpv4PrefixIsTheseBytes) {
  opi_api::network::opinetcommon::v1alpha1::IPPrefix prefix;
  prefix.mutable_addr()->set_af(opi_api::network::opinetcommon::v1alpha1::IP_AF_INET);
  prefix.mutable_addr()->set_v4_addr(0x0a000001);
  prefix.set_len(24);
  // fixed32 is little-endian: 10.0.0.1 in host order.
  EXPECT_EQ(prefix.SerializeAsString(), std::string("\x0a\x07\x08\x01\x15\x01\x00\x00\x0a\x10\x18", 11));
}

TEST(WireTest, ADeviceIsTheseBytes) {
  v1beta1::Device device;
  device.set_id("x");
  device.set_health("Healthy");
  device.mutable_topology()->add_nodes()->set_id(1);
  EXPECT_EQ(device.SerializeAsString(), std::string("\x0a\x01x\x12\x07Healthy\x1a\x04\x0a\x02\x08\x01", 18));
}

}  // namespace
}  // namespace xpu
