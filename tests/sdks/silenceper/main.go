// silenceper/wechat, unmodified, with its cache in Redis: silenceper PORT ISSUER STOP
//
// It calls WeChat until the file STOP is there, and says each token that is new to it by a number.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/silenceper/wechat/v2"
	"github.com/silenceper/wechat/v2/cache"
	"github.com/silenceper/wechat/v2/officialaccount/config"
	"github.com/silenceper/wechat/v2/util"
)

func main() {
	port, issuer, stop := os.Args[1], os.Args[2], os.Args[3]
	util.SetURIModifier(func(uri string) string {
		return strings.Replace(uri, "https://api.weixin.qq.com", issuer, 1)
	})
	redis := cache.NewRedis(context.Background(), &cache.RedisOpts{Host: "127.0.0.1:" + port})
	account := wechat.NewWechat().GetOfficialAccount(&config.Config{
		AppID: "wx0123456789abcdef", AppSecret: "no secret", Cache: redis,
	})
	seen := map[string]bool{}
	for {
		if _, err := os.Stat(stop); err == nil {
			return
		}
		token, err := account.GetAccessToken()
		if err != nil {
			fmt.Fprintln(os.Stderr, "no token")
			os.Exit(1)
		}
		if _, err := account.GetBasic().GetAPIDomainIP(); err != nil {
			fmt.Fprintln(os.Stderr, "the call was refused")
			os.Exit(1)
		}
		if !seen[token] {
			seen[token] = true
			fmt.Println("token", len(seen))
		}
		time.Sleep(20 * time.Millisecond)
	}
}
