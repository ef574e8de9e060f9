#include "xpu-agent/datapath/ovs/flow_shape.h"

#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(FlowShapeTest, NumbersAndAddressesAreNotOfIt) {
  const std::string shape =
      FlowShape("table=60,priority=100,metadata=0x1,dl_dst=02:00:00:00:00:0a actions=output:5");
  EXPECT_EQ(shape, "table=#,priority=#,metadata=#,dl_dst=# actions=output:#");
  EXPECT_EQ(FlowShape("table=10,priority=7,metadata=0xab,dl_dst=fa:bb:cc:00:00:dd actions=output:65"), shape);
  EXPECT_EQ(FlowShape("ipv6,ipv6_dst=fd00::1 actions=meter:3,drop"), "ipv6,ipv6_dst=# actions=meter:#,drop");
  EXPECT_EQ(FlowShape("ipv6,ipv6_dst=2001:db8::/64"), FlowShape("ipv6,ipv6_dst=::1/128"));
  EXPECT_EQ(FlowShape("actions=resubmit(,80)"), "actions=resubmit(,#)");
  EXPECT_EQ(FlowShape("actions=load:0x5->NXM_NX_REG0[0..15]"), "actions=load:#->NXM_NX_REG0[0..15]");
}

TEST(FlowShapeTest, FieldsActionsAndMasksAre) {
  EXPECT_NE(FlowShape("nw_dst=10.0.0.1"), FlowShape("nw_dst=10.0.0.0/24"));
  EXPECT_NE(FlowShape("nw_dst=10.0.0.1"), FlowShape("nw_src=10.0.0.1"));
  EXPECT_NE(FlowShape("reg4=0x1"), FlowShape("reg5=0x1"));
  EXPECT_NE(FlowShape("actions=output:5"), FlowShape("actions=group:5"));
  EXPECT_NE(FlowShape("actions=set_field:5->reg0"), FlowShape("actions=set_field:5->reg1"));
  EXPECT_NE(FlowShape("actions=ct(zone=5)"), FlowShape("actions=ct(commit,zone=5)"));
  EXPECT_NE(FlowShape("ip actions=drop"), FlowShape("arp actions=drop"));
  EXPECT_NE(FlowShape("dl_type=0x0800,nw_dst=1.1.1.1"), FlowShape("dl_type=add,nw_dst=1.1.1.1"));
}

TEST(FlowShapeTest, ListsOfAnyLengthHaveOne) {
  const std::string two = FlowShape("actions=output:1,output:2");
  EXPECT_EQ(FlowShape("actions=output:1,output:2,output:3,output:4"), two);
  EXPECT_NE(FlowShape("actions=output:1,drop"), two);
  EXPECT_EQ(FlowShape("actions=set_field:1->reg0,output:1,output:2,drop"),
            FlowShape("actions=set_field:1->reg0,output:1,output:2,output:7,drop"));
  EXPECT_EQ(FlowShape(""), "");
  EXPECT_EQ(FlowShape(",,,"), FlowShape(",,,,"));
}

}  // namespace
}  // namespace xpu
